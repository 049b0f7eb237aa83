import type { AgentProfile, Assignment, DomainEvent, PlannedStep } from '@taskmaster/contracts';
import type { LoggedEvent } from './chain.js';
import { Findings, type LogRule } from './invariant.js';

interface AttemptHistory {
  ends: number;
  holder?: string;
}

interface WorkflowHistory {
  ended: boolean;
  readonly attempts: Map<string, AttemptHistory>;
  readonly planned: Map<string, Pick<PlannedStep, 'dependsOn' | 'onFailure'>>;
  /** How each step is settled. */
  readonly settled: Map<string, 'succeeded' | 'failed' | 'skipped' | 'cancelled'>;
  readonly validated: Set<string>;
}

/** What each step event says of its step. */
const SETTLES = { StepSucceeded: 'succeeded', StepFailed: 'failed', StepSkipped: 'skipped', StepCancelled: 'cancelled' } as const;

/** I6, I7, I12, I14: what one workflow's own history must hold. */
export class WorkflowHistories implements LogRule {
  private readonly ends = new Findings(6, 'an attempt ends once and nothing follows the end of a workflow');
  private readonly order = new Findings(7, 'no step starts before its dependencies are settled');
  private readonly merged = new Findings(12, 'a merged change was validated as merged');
  private readonly holders = new Findings(14, 'an attempt runs under one holder');
  readonly findings = [this.ends, this.order, this.merged, this.holders];
  private readonly workflows = new Map<string, WorkflowHistory>();

  see(event: LoggedEvent, data: unknown): void {
    if (!event.stream.startsWith('workflow-')) return;
    const history = this.of(event.stream);
    const at = `${event.stream} version ${String(event.version)}`;
    this.ends.check(!history.ended, () => `${at}: ${event.type} follows the end of the workflow`);
    this.apply(history, { type: event.type, data } as DomainEvent, at);
    if (!history.ended) return;
    // An ended workflow's details are not needed again; that it ended is.
    history.attempts.clear();
    history.planned.clear();
    history.settled.clear();
  }

  private of(stream: string): WorkflowHistory {
    const known = this.workflows.get(stream);
    if (known !== undefined) return known;
    const fresh: WorkflowHistory = { ended: false, attempts: new Map(), planned: new Map(), settled: new Map(), validated: new Set() };
    this.workflows.set(stream, fresh);
    return fresh;
  }

  private apply(history: WorkflowHistory, event: DomainEvent, at: string): void {
    switch (event.type) {
      case 'PlanAdopted':
        for (const step of event.data.steps) history.planned.set(step.id, step);
        break;
      case 'PlanAmended':
        for (const step of event.data.added) history.planned.set(step.id, step);
        break;
      case 'StepReadied':
        this.dependenciesSettled(history, event.data.stepId, at);
        break;
      case 'StepStarted':
        this.dependenciesSettled(history, event.data.stepId, at);
        this.started(history, event.data, at);
        break;
      case 'StepSucceeded':
      case 'StepFailed':
      case 'StepCancelled':
        this.ended(history, event, at);
        break;
      case 'StepSkipped':
        history.settled.set(event.data.stepId, 'skipped');
        break;
      case 'ValidationRecorded':
        if (event.data.passed) history.validated.add(event.data.commit);
        break;
      case 'PullRequestMerged':
        this.merged.check(
          history.validated.has(event.data.commit),
          () => `${at}: ${event.data.commit} was merged and never passed a validation`,
        );
        break;
      case 'WorkflowEnded':
        history.ended = true;
        break;
      default:
    }
  }

  private dependenciesSettled(history: WorkflowHistory, stepId: string, at: string): void {
    for (const id of history.planned.get(stepId)?.dependsOn ?? []) {
      const how = history.settled.get(id);
      const lets = how === 'succeeded' || how === 'skipped' || (how === 'failed' && history.planned.get(id)?.onFailure === 'continue');
      this.order.check(lets, () => `${at}: ${stepId} starts while ${id} is ${how ?? 'not settled'}`);
    }
  }

  private started(
    history: WorkflowHistory,
    { stepId, attempt, holder }: { readonly stepId: string; readonly attempt: number; readonly holder: string },
    at: string,
  ): void {
    const known = this.attempt(history, stepId, attempt);
    this.holders.check(
      known.holder === undefined,
      () => `${at}: attempt ${String(attempt)} of ${stepId} is started by ${holder} and was by ${known.holder ?? ''}`,
    );
    this.ends.check(known.ends === 0, () => `${at}: attempt ${String(attempt)} of ${stepId} starts after its end`);
    known.holder = holder;
  }

  private ended(
    history: WorkflowHistory,
    event: Extract<DomainEvent, { type: 'StepSucceeded' | 'StepFailed' | 'StepCancelled' }>,
    at: string,
  ): void {
    const { stepId, attempt } = event.data;
    const known = this.attempt(history, stepId, attempt);
    known.ends += 1;
    this.ends.check(known.ends === 1, () => `${at}: attempt ${String(attempt)} of ${stepId} ends ${String(known.ends)} times`);
    if (event.type === 'StepSucceeded' && known.holder !== undefined) {
      this.holders.check(
        event.data.by === known.holder,
        () => `${at}: attempt ${String(attempt)} of ${stepId} is held by ${known.holder ?? ''} and settled by ${event.data.by}`,
      );
    }
    history.settled.set(stepId, SETTLES[event.type]);
  }

  private attempt(history: WorkflowHistory, stepId: string, attempt: number): AttemptHistory {
    const key = `${stepId}#${String(attempt)}`;
    const known = history.attempts.get(key);
    if (known !== undefined) return known;
    const fresh: AttemptHistory = { ends: 0 };
    history.attempts.set(key, fresh);
    return fresh;
  }
}

/** I10: a task has at most one active workflow. */
export class OneWorkflowPerTask implements LogRule {
  private readonly single = new Findings(10, 'a task has at most one active workflow');
  readonly findings = [this.single];
  private readonly taskOf = new Map<string, string>();
  private readonly active = new Map<string, string>();

  see({ stream, tenantId, type }: LoggedEvent, data: unknown): void {
    const event = { type, data } as DomainEvent;
    if (event.type === 'WorkflowRequested' && event.data.request.source.kind === 'task') {
      const task = `${tenantId}/${event.data.request.source.taskId}`;
      const other = this.active.get(task);
      this.single.check(other === undefined, () => `task ${task} has the active workflows ${other ?? ''} and ${stream}`);
      this.taskOf.set(stream, task);
      this.active.set(task, stream);
    }
    if (event.type !== 'WorkflowEnded') return;
    const task = this.taskOf.get(stream);
    if (task !== undefined && this.active.get(task) === stream) this.active.delete(task);
  }
}

/**
 * I9: at most so many workflows of a tenant run, and no agent has more than its limit. One commit may take a place before it gives one
 * back, and its events share the time they were recorded, so places are counted whenever that time moves on.
 */
export class Limits implements LogRule {
  private readonly limits = new Findings(9, 'tenants and agents stay within their limits');
  readonly findings = [this.limits];
  private readonly holding = new Set<string>();
  /** They run in the slot of their root. */
  private readonly children = new Set<string>();
  private readonly running = new Map<string, number>();
  private readonly agentLimit = new Map<string, number>();
  private readonly assigned = new Map<string, Map<string, string>>();
  private readonly held = new Map<string, Map<string, string>>();
  private readonly touched = new Set<string>();
  private recordedAt = '';

  /** @param slotsMax `MAX_CONCURRENT_WORKFLOWS`; undefined when nobody knows what it was */
  constructor(private readonly slotsMax: number | undefined) {}

  see(logged: LoggedEvent, data: unknown): void {
    if (logged.recordedAt !== this.recordedAt) this.count();
    this.recordedAt = logged.recordedAt;
    const event = { type: logged.type, data } as DomainEvent;
    const { stream, tenantId } = logged;
    this.slot(stream, `tenant ${tenantId}`, event);
    this.agent(stream, tenantId, event);
  }

  end(): void {
    this.count();
  }

  private slot(stream: string, key: string, event: DomainEvent): void {
    if (this.isOfChild(stream, event)) return;
    const { type } = event;
    if (type === 'WorkflowAdmitted' && !this.holding.has(stream)) {
      this.holding.add(stream);
      this.change(key, 1);
    }
    const leaves = type === 'WorkflowPaused' || type === 'EscalationRaised' || type === 'WorkflowEnded';
    if (leaves && this.holding.delete(stream)) this.change(key, -1);
  }

  private isOfChild(stream: string, event: DomainEvent): boolean {
    if (event.type === 'WorkflowRequested' && event.data.request.parent !== undefined) this.children.add(stream);
    return event.type === 'WorkflowEnded' ? this.children.delete(stream) : this.children.has(stream);
  }

  private agent(stream: string, tenantId: string, event: DomainEvent): void {
    switch (event.type) {
      case 'AgentRegistered':
      case 'AgentRevised':
        this.register(`agent ${tenantId}/${stream.slice('agent-'.length)}`, event.data.profile);
        break;
      case 'StepAssigned':
        this.mapOf(this.assigned, stream).set(event.data.stepId, this.agentKey(tenantId, event.data.assignment));
        break;
      case 'StepStarted': {
        const key = this.assigned.get(stream)?.get(event.data.stepId);
        if (key === undefined) break;
        this.mapOf(this.held, stream).set(event.data.stepId, key);
        this.change(key, 1);
        break;
      }
      case 'StepSucceeded':
      case 'StepFailed':
      case 'StepCancelled':
        this.release(stream, event.data.stepId);
        break;
      default:
    }
  }

  private agentKey = (tenantId: string, { agentId }: Assignment): string => `agent ${tenantId}/${agentId}`;

  private register(key: string, { maxConcurrent }: AgentProfile): void {
    this.agentLimit.set(key, maxConcurrent);
  }

  private release(stream: string, stepId: string): void {
    const key = this.held.get(stream)?.get(stepId);
    if (key === undefined) return;
    this.held.get(stream)?.delete(stepId);
    this.assigned.get(stream)?.delete(stepId);
    this.change(key, -1);
  }

  private mapOf(maps: Map<string, Map<string, string>>, stream: string): Map<string, string> {
    const known = maps.get(stream) ?? new Map<string, string>();
    maps.set(stream, known);
    return known;
  }

  private change(key: string, by: number): void {
    this.running.set(key, (this.running.get(key) ?? 0) + by);
    if (by > 0) this.touched.add(key);
  }

  private count(): void {
    for (const key of this.touched) {
      const limit = key.startsWith('tenant ') ? this.slotsMax : this.agentLimit.get(key);
      if (limit === undefined) continue;
      const running = this.running.get(key) ?? 0;
      this.limits.check(running <= limit, () => `${key} has ${String(running)} of ${String(limit)} at ${this.recordedAt}`);
    }
    this.touched.clear();
  }
}
