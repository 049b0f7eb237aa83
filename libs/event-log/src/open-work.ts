import type { LeaseAnswer, LeaseRenewal, StepId, StepKind, StreamId, TenantId } from '@taskmaster/contracts';
import type pg from 'pg';
import { faultOf } from './faults.js';
import { eventColumns, storedEvent, type EventRow, type StoredEvent } from './readers.js';
import type { QuotaCount } from './rows.js';

/** Rows that one sweep takes; the next sweep takes the rest. */
export const SWEEP_ROWS_MAX = 500;

/** A step whose timer came due; its status says what the timer means. */
export interface DueStep {
  readonly stream: StreamId;
  readonly stepId: StepId;
  readonly tenantId: TenantId;
  readonly kind: StepKind;
  readonly status: 'ready' | 'running' | 'retrying';
  readonly attempt: number;
  readonly readyVersion: number;
  /** Text of the instant it was due. */
  readonly dueAt: string;
}

export interface DueWorkflow {
  readonly stream: StreamId;
  readonly tenantId: TenantId;
  readonly dueAt: string;
}

/** A workflow that waits for a slot. */
export interface QueuedWorkflow {
  readonly stream: StreamId;
  readonly tenantId: TenantId;
  readonly version: number;
}

/** What must be answered, as sweeps, admission and a new epoch look at it. Instants are the database's. */
export interface OpenWork {
  /** Steps that are due, the longest overdue first. Ready ones whose notices are to be sent again only with `ready`. */
  dueSteps(which: { readonly ready: boolean }, limit?: number): Promise<readonly DueStep[]>;
  dueWorkflows(limit?: number): Promise<readonly DueWorkflow[]>;
  /** Pushes the re-drive timers of ready steps on, after their notices were published again. */
  postponeReady(steps: readonly { readonly stream: string; readonly stepId: string }[], byMs: number): Promise<void>;
  /** The `StepReadied` events of all open work in a range of the log: what a new epoch publishes again. */
  openWork(range: { readonly after: number; readonly upto: number }, limit: number): Promise<readonly StoredEvent[]>;
  /** The `StepReadied` events of ready steps that are late. */
  readiedEvents(steps: readonly DueStep[]): Promise<readonly StoredEvent[]>;
  /** Moves many leases on with one small update. An answer in the order of the renewals. */
  renewLeases(renewals: readonly LeaseRenewal[]): Promise<readonly LeaseAnswer[]>;
  /** Who is admitted next: by priority, and every `agingSeconds` of waiting counts as one step of priority, so nothing starves. */
  nextQueued(tenantId: string, options: { readonly agingSeconds: number; readonly limit: number }): Promise<readonly QueuedWorkflow[]>;
  /** The tenants' quota rows with somebody waiting. */
  tenantsWaiting(): Promise<readonly QuotaCount[]>;
}

const DUE_STEPS = `
  select stream, step_id as "stepId", tenant_id as "tenantId", kind, status, attempt, ready_version as "readyVersion", due_at as "dueAt"
  from step
  where due_at <= clock_timestamp() and ($2 or status <> 'ready' or kind = 'workflow.run')
  order by due_at
  limit $1`;

const DUE_WORKFLOWS = `
  select stream, tenant_id as "tenantId", due_at as "dueAt"
  from workflow
  where due_at <= clock_timestamp()
  order by due_at
  limit $1`;

/** Appends lock step rows in their own order and wait for one another, so nobody else may wait for a row. */
const POSTPONE = `
  update step s
  set due_at = clock_timestamp() + make_interval(secs => $3 / 1000.0)
  from (
    select t.stream, t.step_id
    from unnest($1::text[], $2::text[]) as q (stream, step_id)
    join step t on t.stream = q.stream and t.step_id = q.step_id
    where t.status = 'ready' and t.due_at <= clock_timestamp()
    for update of t skip locked
  ) d
  where s.stream = d.stream and s.step_id = d.step_id`;

const OPEN_WORK = `
  select ${eventColumns('e')}
  from step s
  join event e on e.stream = s.stream and e.version = s.ready_version
  where s.status = 'ready' and s.due_at is not null and e.position > $1 and e.position <= $2
  order by e.position
  limit $3`;

const READIED = `
  select ${eventColumns('e')}
  from unnest($1::text[], $2::integer[]) as q (of_stream, at_version)
  join event e on e.stream = q.of_stream and e.version = q.at_version
  order by e.position`;

const RENEW = `
  update step s
  set due_at = least(s.deadline_at, clock_timestamp() + make_interval(secs => d.lease_ms / 1000.0))
  from (
    select t.stream, t.step_id, q.lease_ms
    from unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::integer[], $6::text[]) as q (stream, step_id, attempt, holder, lease_ms, tenant_id)
    join step t on t.stream = q.stream and t.step_id = q.step_id
    where t.status = 'running' and t.attempt = q.attempt and t.holder = q.holder and t.tenant_id = q.tenant_id
    for update of t skip locked
  ) d
  where s.stream = d.stream and s.step_id = d.step_id`;

const HELD = `
  select q.n
  from unnest($1::text[], $2::text[], $3::integer[], $4::text[], $5::text[]) with ordinality as q (stream, step_id, attempt, holder, tenant_id, n)
  join step t on t.stream = q.stream and t.step_id = q.step_id
  where t.status = 'running' and t.attempt = q.attempt and t.holder = q.holder and t.tenant_id = q.tenant_id`;

const NEXT_QUEUED = `
  select stream, tenant_id as "tenantId", version
  from workflow
  where tenant_id = $1 and queued_at is not null
  order by
    (case priority when 'critical' then 4 when 'high' then 3 when 'medium' then 2 else 1 end)
      + extract(epoch from clock_timestamp() - queued_at) / $2 desc,
    queued_at
  limit $3`;

const TENANTS_WAITING = `
  select q.key, q.used, q.waiting
  from quota q
  where q.waiting > 0 and q.key like 'tenant:%'`;

/** Open work in Postgres. */
export class PostgresOpenWork implements OpenWork {
  constructor(private readonly pool: pg.Pool) {}

  dueSteps({ ready }: { readonly ready: boolean }, limit = SWEEP_ROWS_MAX): Promise<readonly DueStep[]> {
    return this.rows<DueStep>('looking for due steps', { name: 'due-steps', text: DUE_STEPS, values: [limit, ready] });
  }

  dueWorkflows(limit = SWEEP_ROWS_MAX): Promise<readonly DueWorkflow[]> {
    return this.rows<DueWorkflow>('looking for due workflows', { name: 'due-workflows', text: DUE_WORKFLOWS, values: [limit] });
  }

  async postponeReady(steps: readonly { readonly stream: string; readonly stepId: string }[], byMs: number): Promise<void> {
    const values = [steps.map((s) => s.stream), steps.map((s) => s.stepId), byMs];
    await this.rows('postponing re-drives', { name: 'postpone-ready', text: POSTPONE, values });
  }

  async openWork(range: { readonly after: number; readonly upto: number }, limit: number): Promise<readonly StoredEvent[]> {
    const values = [range.after, range.upto, limit];
    return (await this.rows<EventRow>('reading open work', { name: 'open-work', text: OPEN_WORK, values })).map(storedEvent);
  }

  async readiedEvents(steps: readonly DueStep[]): Promise<readonly StoredEvent[]> {
    const values = [steps.map((step) => step.stream), steps.map((step) => step.readyVersion)];
    return (await this.rows<EventRow>('reading late work', { name: 'readied-events', text: READIED, values })).map(storedEvent);
  }

  async renewLeases(renewals: readonly LeaseRenewal[]): Promise<readonly LeaseAnswer[]> {
    const streams = renewals.map((r) => `workflow-${r.workflowId}`);
    const [steps, attempts] = [renewals.map((r) => r.stepId), renewals.map((r) => r.attempt)];
    const [holders, tenants] = [renewals.map((r) => r.holder), renewals.map((r) => r.tenantId)];
    await this.rows('renewing leases', {
      name: 'renew-leases',
      text: RENEW,
      values: [streams, steps, attempts, holders, renewals.map((r) => r.leaseMs), tenants],
    });
    // A row that an append has locked was skipped: whether its lease is lost is read, not waited for.
    const held = await this.rows<{ n: number }>('reading leases', {
      name: 'held-leases',
      text: HELD,
      values: [streams, steps, attempts, holders, tenants],
    });
    const numbers = new Set(held.map(({ n }) => n));
    return renewals.map((_renewal, i) => (numbers.has(i + 1) ? 'renewed' : 'lost'));
  }

  nextQueued(
    tenantId: string,
    { agingSeconds, limit }: { readonly agingSeconds: number; readonly limit: number },
  ): Promise<readonly QueuedWorkflow[]> {
    return this.rows('looking for queued workflows', { name: 'next-queued', text: NEXT_QUEUED, values: [tenantId, agingSeconds, limit] });
  }

  tenantsWaiting(): Promise<readonly QuotaCount[]> {
    return this.rows('looking for waiting tenants', { name: 'tenants-waiting', text: TENANTS_WAITING, values: [] });
  }

  private async rows<Row extends object>(doing: string, query: { name: string; text: string; values: unknown[] }): Promise<readonly Row[]> {
    try {
      return (await this.pool.query<Row>(query)).rows;
    } catch (error) {
      throw faultOf(doing, error);
    }
  }
}
