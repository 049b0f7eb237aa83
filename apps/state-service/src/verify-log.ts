import { hash } from 'node:crypto';
import {
  idOf,
  type InvariantReport,
  type LogReport,
  type StepId,
  type StreamId,
  type TenantId,
  type WorkflowRequest,
} from '@taskmaster/contracts';
import { checkContents, instantOf, instantOrNull, readAll, type ContentRef, type Pools, type StoredEvent } from '@taskmaster/event-log';
import { Findings, HistoryChecker } from '@taskmaster/proof';
import { stepRows, workflowRow, type StepRow, type Workflow } from '@taskmaster/workflow';
import { absentEntry, foldInto, type Entry } from './entry.js';

/** Events of one read. */
const READ_MAX = 2_000;
/** Rows that are compared with folds in one round. */
const STREAMS_MAX = 200;
/** How late a sweep may be before I8 is broken: its interval and time for the work it sets off. */
export const OVERDUE_GRACE_MS = 15_000;

export interface VerifyOptions {
  readonly pools: Pools;
  readonly tenantId: TenantId;
  readonly slotsMax: number;
}

/** Reads the whole log once and checks every invariant of design 15 that the log, its rows and the broker's evidence can show. */
export async function verifyLog({ pools, slotsMax }: VerifyOptions): Promise<LogReport> {
  const startedAt = performance.now();
  const checker = new HistoryChecker({ sha256: (text) => hash('sha256', text), slotsMax });
  const contents = new ReferredContents(pools);
  const pool = pools.analytics;
  let next = readAll(pool, 0, READ_MAX);
  for (;;) {
    const events = await next;
    const last = events.at(-1);
    if (last === undefined) break;
    // The next page travels while this one is checked.
    next = readAll(pool, last.position, READ_MAX);
    for (const event of events) checker.see(event);
    await contents.see(events);
  }
  const fromLog = checker.report().map((report) => (report.number === 2 ? joined(report, contents.report()) : report));
  const rest = [await foldEqualsRows(pools), await nothingOverdue(pools), await evidenceWithinLog(pools)];
  return {
    head: checker.head,
    streams: checker.streams,
    invariants: [...fromLog, ...rest].sort((a, b) => a.number - b.number),
    durationMs: Math.round(performance.now() - startedAt),
  };
}

const joined = (one: InvariantReport, other: InvariantReport): InvariantReport => ({
  ...one,
  checked: one.checked + other.checked,
  violations: [...one.violations, ...other.violations],
});

/** Contents of one read: at most 4 MiB of requirements. */
const CONTENTS_MAX = 64;

/** I2, continued: the chain covers the hash of what is too large for an event, and the content must still have that hash. */
class ReferredContents {
  private readonly findings = new Findings(2, 'the chain verifies');

  constructor(private readonly pools: Pools) {}

  async see(events: readonly StoredEvent[]): Promise<void> {
    const refs = events.flatMap(referenceOf);
    for (let i = 0; i < refs.length; i += CONTENTS_MAX) {
      const some = refs.slice(i, i + CONTENTS_MAX);
      const standings = await checkContents(this.pools.analytics, some);
      some.forEach(({ hash: contentHash, what }, n) => {
        const standing = standings[n] ?? 'missing';
        this.findings.check(standing === 'intact', () => `${what} refers to content ${contentHash}, which is ${standing}`);
      });
    }
  }

  report(): InvariantReport {
    return this.findings.report();
  }
}

/** Requests only: nothing else refers to content. */
function referenceOf({ type, stream, tenantId, dataText }: StoredEvent): readonly (ContentRef & { readonly what: string })[] {
  if (type !== 'WorkflowRequested' || !dataText.includes('"contentHash"')) return [];
  const { request } = JSON.parse(dataText) as { readonly request: WorkflowRequest };
  const { source } = request;
  if (source.kind !== 'requirement' || source.contentHash === undefined) return [];
  return [{ tenantId, hash: source.contentHash, what: `${idOf(stream)}: its request` }];
}

interface WorkflowRecord {
  readonly stream: StreamId;
  readonly version: number;
  readonly text: string;
}

const ROWS_TEXT = `
  select stream, version,
    json_build_object('state', state, 'status', status, 'phase', phase, 'progress', progress, 'title', title, 'priority', priority,
      'outcome', outcome, 'reason', reason, 'due_at', due_at::text, 'queued_at', queued_at::text, 'ended_at', ended_at::text)::text as text
  from workflow
  where stream > $1
  order by stream
  limit $2`;

const STEPS_TEXT = `
  select stream, step_id as "stepId", status, attempt, ready_version as "readyVersion", holder, agent_id as "agentId"
  from step
  where stream = any ($1)`;

const EVENTS_TEXT = `
  select e.stream, e.version, e.tenant_id as "tenantId", e.type, e.schema_version as "schemaVersion", e.data as "dataText", e.occurred_at as "occurredAt",
    encode(e.hash, 'hex') as hash
  from unnest($1::text[], $2::integer[]) as q (of_stream, upto)
  join event e on e.stream = q.of_stream and e.version <= q.upto
  order by e.stream, e.version`;

const ROWLESS_TEXT = `
  select s.id
  from stream s
  where s.category = 'workflow' and not exists (select 1 from workflow w where w.stream = s.id)
  order by s.id
  limit 100`;

/** What an append is compared with: version and hash of a stream are those of its last event, for every kind of stream. */
const ASTRAY_TEXT = `
  select s.id
  from stream s
  left join lateral (select e.version, e.hash from event e where e.stream = s.id order by e.version desc limit 1) last on true
  where (last.version, last.hash) is distinct from (s.version, s.hash)
  order by s.id
  limit 100`;

/** I5: folding a stream gives its rows at the same version, lease columns aside. */
async function foldEqualsRows({ analytics }: Pools): Promise<InvariantReport> {
  const findings = new Findings(5, 'folding a stream gives its read model');
  const rowless = await analytics.query<{ id: StreamId }>(ROWLESS_TEXT);
  for (const { id } of rowless.rows) findings.check(false, () => `${idOf(id)}: has no row`);
  const astray = await analytics.query<{ id: StreamId }>(ASTRAY_TEXT);
  for (const { id } of astray.rows) findings.check(false, () => `${id}: the row of the stream is not at its last event`);
  for (let after = ''; ;) {
    const client = await analytics.connect();
    try {
      // One snapshot, so that a row and its events belong together.
      await client.query('begin isolation level repeatable read read only');
      const { rows } = await client.query<WorkflowRecord>(ROWS_TEXT, [after, STREAMS_MAX]);
      const last = rows.at(-1);
      if (last === undefined) return findings.report();
      const streams = rows.map(({ stream }) => stream);
      const steps = (await client.query<StoredStep>(STEPS_TEXT, [streams])).rows;
      const events = (await client.query<StoredEvent>(EVENTS_TEXT, [streams, rows.map(({ version }) => version)])).rows;
      for (const row of rows)
        compare(
          findings,
          row,
          steps.filter(({ stream }) => stream === row.stream),
          events.filter(({ stream }) => stream === row.stream),
        );
      after = last.stream;
    } finally {
      await client.query('rollback').catch(() => undefined);
      client.release();
    }
  }
}

type StoredStep = Pick<StepRow, 'status' | 'attempt' | 'readyVersion' | 'holder' | 'agentId'> & {
  readonly stream: StreamId;
  readonly stepId: StepId;
};

function compare(findings: Findings, row: WorkflowRecord, steps: readonly StoredStep[], events: readonly StoredEvent[]): void {
  const entry: Entry = foldInto(
    absentEntry(row.stream),
    events.map((event) => ({ ...event, occurredAt: instantOf(event.occurredAt) })),
  );
  const folded = workflowRow(entry.state as Workflow);
  const id = idOf(row.stream);
  findings.check(
    folded !== undefined && folded.version === row.version,
    () => `${id}: the row is at version ${String(row.version)}, its events are not`,
  );
  if (folded === undefined) return;
  const stored = JSON.parse(row.text) as Readonly<Record<string, unknown>>;
  const expected: Readonly<Record<string, unknown>> = {
    state: folded.state,
    status: folded.status,
    phase: folded.phase,
    progress: folded.progress,
    title: folded.title,
    priority: folded.priority,
    outcome: folded.outcome,
    reason: folded.reason,
    due_at: folded.dueAt,
    queued_at: folded.queuedAt,
    ended_at: folded.endedAt,
  };
  for (const [column, value] of Object.entries(expected)) {
    const found = column.endsWith('_at') ? instantOrNull(stored[column] as string | null) : stored[column];
    findings.check(found === value, () => `${id}: ${column} of the row differs from the fold at version ${String(row.version)}`);
  }
  const byId = new Map(steps.map((step) => [step.stepId, step]));
  const foldedSteps = stepRows({ status: 'absent' }, entry.state as Workflow);
  findings.check(
    byId.size === foldedSteps.length,
    () => `${id}: has ${String(byId.size)} step rows, its fold ${String(foldedSteps.length)}`,
  );
  for (const step of foldedSteps) {
    const found = byId.get(step.stepId);
    const same =
      found !== undefined &&
      (['status', 'attempt', 'readyVersion', 'holder', 'agentId'] as const).every((column) => found[column] === step[column]);
    findings.check(same, () => `${id}: the row of step ${step.stepId} differs from the fold`);
  }
}

const OVERDUE_TEXT = `
  select stream || ' ' || step_id as what, extract(epoch from clock_timestamp() - due_at) * 1000 as "lateMs"
  from step
  where due_at < clock_timestamp() - make_interval(secs => $1 / 1000.0)
  union all
  select stream, extract(epoch from clock_timestamp() - due_at) * 1000
  from workflow
  where due_at < clock_timestamp() - make_interval(secs => $1 / 1000.0)
  limit 100`;

const OPEN_TEXT = `
  select count(*)::integer as open,
    count(*) filter (where s.due_at is null and w.status <> 'paused' and w.queued_at is null)::integer as "withoutDeadline"
  from step s
  join workflow w on w.stream = s.stream
  where s.status in ('ready', 'running', 'retrying')`;

/** I8: what must be answered has a deadline, and none is past it by more than a sweep. */
async function nothingOverdue({ analytics }: Pools): Promise<InvariantReport> {
  const findings = new Findings(8, 'everything open has a deadline and none is overdue');
  const { rows: counts } = await analytics.query<{ open: number; withoutDeadline: number }>(OPEN_TEXT);
  const { open = 0, withoutDeadline = 0 } = counts[0] ?? {};
  findings.check(withoutDeadline === 0, () => `${String(withoutDeadline)} of ${String(open)} open steps have no deadline`);
  const { rows } = await analytics.query<{ what: string; lateMs: string }>(OVERDUE_TEXT, [OVERDUE_GRACE_MS]);
  for (let i = rows.length; i < open; i += 1) findings.check(true, () => '');
  for (const { what, lateMs } of rows) findings.check(false, () => `${what} is late by ${String(Math.round(Number(lateMs)))} ms`);
  return findings.report();
}

const EVIDENCE_TEXT = `
  select e.epoch, e.acknowledged_upto as upto, h.position as head
  from work_epoch e
  cross join log_head h`;

/** I11, as far as the log's own evidence goes: the broker never acknowledged what the log does not hold. */
async function evidenceWithinLog({ analytics }: Pools): Promise<InvariantReport> {
  const findings = new Findings(11, 'the broker covers the log and nothing beyond it');
  const { rows } = await analytics.query<{ epoch: number; upto: number; head: number }>(EVIDENCE_TEXT);
  for (const { epoch, upto, head } of rows)
    findings.check(upto <= head, () => `epoch ${String(epoch)} acknowledged ${String(upto)}, the log ends at ${String(head)}`);
  return findings.report();
}
