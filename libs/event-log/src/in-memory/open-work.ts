import { timestampOf, type LeaseAnswer, type LeaseRenewal, type Timestamp } from '@taskmaster/contracts';
import { SWEEP_ROWS_MAX, type DueStep, type DueWorkflow, type OpenWork, type QueuedWorkflow } from '../open-work.js';
import type { StoredEvent } from '../readers.js';
import type { QuotaCount } from '../rows.js';
import { stepKey, type StepRow, type Tables } from './tables.js';

/** An instant as Postgres writes it. */
const textOf = (at: Timestamp): string => `${at.slice(0, 10)} ${at.slice(11, 23)}+00`;
const byDueAt = (a: { readonly dueAt: Timestamp | null }, b: { readonly dueAt: Timestamp | null }): number =>
  (a.dueAt ?? '').localeCompare(b.dueAt ?? '');
const PRIORITIES: Readonly<Record<string, number>> = { critical: 4, high: 3, medium: 2, low: 1 };

/** Open work in memory. */
export class InMemoryOpenWork implements OpenWork {
  constructor(
    private readonly tables: Tables,
    private readonly now: () => number,
  ) {}

  dueSteps({ ready }: { readonly ready: boolean }, limit = SWEEP_ROWS_MAX): Promise<readonly DueStep[]> {
    const due = [...this.tables.steps.values()].filter(
      (step) => this.isDue(step) && (ready || step.status !== 'ready' || step.kind === 'workflow.run'),
    );
    return Promise.resolve(
      due
        .sort(byDueAt)
        .slice(0, limit)
        .map(({ stream, stepId, tenantId, kind, status, attempt, readyVersion, dueAt }) => ({
          stream,
          stepId,
          tenantId,
          kind: kind as DueStep['kind'],
          status: status as DueStep['status'],
          attempt,
          readyVersion,
          dueAt: textOf(dueAt as Timestamp),
        })),
    );
  }

  dueWorkflows(limit = SWEEP_ROWS_MAX): Promise<readonly DueWorkflow[]> {
    const due = [...this.tables.workflows.values()].filter((workflow) => this.isDue(workflow));
    return Promise.resolve(
      due
        .sort(byDueAt)
        .slice(0, limit)
        .map(({ stream, tenantId, dueAt }) => ({ stream, tenantId, dueAt: textOf(dueAt as Timestamp) })),
    );
  }

  postponeReady(steps: readonly { readonly stream: string; readonly stepId: string }[], byMs: number): Promise<void> {
    for (const { stream, stepId } of steps) {
      const step = this.tables.steps.get(stepKey(stream, stepId));
      if (step?.status === 'ready' && this.isDue(step)) this.put({ ...step, dueAt: timestampOf(this.now() + byMs) });
    }
    return Promise.resolve();
  }

  openWork({ after, upto }: { readonly after: number; readonly upto: number }, limit: number): Promise<readonly StoredEvent[]> {
    const ready = [...this.tables.steps.values()].filter(({ status, dueAt }) => status === 'ready' && dueAt !== null);
    return Promise.resolve(
      this.readied(ready)
        .filter(({ position }) => position > after && position <= upto)
        .slice(0, limit),
    );
  }

  readiedEvents(steps: readonly DueStep[]): Promise<readonly StoredEvent[]> {
    return Promise.resolve(this.readied(steps));
  }

  renewLeases(renewals: readonly LeaseRenewal[]): Promise<readonly LeaseAnswer[]> {
    return Promise.resolve(renewals.map((renewal) => (this.renew(renewal) ? 'renewed' : 'lost')));
  }

  nextQueued(
    tenantId: string,
    { agingSeconds, limit }: { readonly agingSeconds: number; readonly limit: number },
  ): Promise<readonly QueuedWorkflow[]> {
    const queued = [...this.tables.workflows.values()].flatMap(({ queuedAt, ...workflow }) =>
      workflow.tenantId === tenantId && queuedAt !== null ? [{ ...workflow, queuedAt }] : [],
    );
    const weight = (workflow: { readonly priority: string; readonly queuedAt: Timestamp }): number =>
      (PRIORITIES[workflow.priority] ?? 1) + (this.now() - Date.parse(workflow.queuedAt)) / 1_000 / agingSeconds;
    const ordered = queued.sort((a, b) => weight(b) - weight(a) || a.queuedAt.localeCompare(b.queuedAt));
    return Promise.resolve(ordered.slice(0, limit).map(({ stream, version }) => ({ stream, tenantId: tenantId as never, version })));
  }

  tenantsWaiting(): Promise<readonly QuotaCount[]> {
    return Promise.resolve([...this.tables.quotas.values()].filter(({ key, waiting }) => waiting > 0 && key.startsWith('tenant:')));
  }

  private isDue({ dueAt }: { readonly dueAt: Timestamp | null }): boolean {
    return dueAt !== null && Date.parse(dueAt) <= this.now();
  }

  private readied(steps: readonly { readonly stream: StoredEvent['stream']; readonly readyVersion: number }[]): readonly StoredEvent[] {
    return steps
      .flatMap(({ stream, readyVersion }) => this.tables.eventsOf.get(stream)?.[readyVersion - 1] ?? [])
      .sort((a, b) => a.position - b.position);
  }

  private renew({ workflowId, stepId, attempt, holder, tenantId, leaseMs }: LeaseRenewal): boolean {
    const step = this.tables.steps.get(stepKey(`workflow-${workflowId}`, stepId));
    if (step?.status !== 'running' || step.attempt !== attempt || step.holder !== holder || step.tenantId !== tenantId) return false;
    const until = this.now() + leaseMs;
    this.put({ ...step, dueAt: timestampOf(step.deadlineAt === null ? until : Math.min(until, Date.parse(step.deadlineAt))) });
    return true;
  }

  private put(step: StepRow): void {
    this.tables.steps.set(stepKey(step.stream, step.stepId), step);
  }
}
