import { workflowStream, type WorkflowId } from '@taskmaster/contracts';
import type { Tables } from '@taskmaster/event-log/in-memory';
import type { Work } from '@taskmaster/agent-coordinator';
import type { WorkWitness } from '../worker.js';

/** Told of a broken rule by its name: I and a number for an invariant of docs/architecture.md. */
type Break = (rule: string, what: string) => void;
type StoredEvent = Tables['events'][number];

const QUEUES: ReadonlySet<string> = new Set(['WorkflowRequested', 'WorkflowResumed', 'EscalationResolved']);
const LEAVES_THE_QUEUE: ReadonlySet<string> = new Set(['WorkflowAdmitted', 'WorkflowPaused', 'EscalationRaised']);

/** I14 as the workers lived it: who works on an attempt is its recorded holder, begins once, and only what was done is settled. */
export class WorkRules implements WorkWitness {
  private readonly begun = new Map<string, string>();
  private readonly done = new Set<string>();

  constructor(
    private readonly tables: Tables,
    private readonly broken: Break,
  ) {}

  begins(holder: string, work: Work): void {
    const attempt = nameOf(work);
    const other = this.begun.get(attempt);
    if (other !== undefined) this.broken('I14', `${attempt} is begun by ${holder} and was by ${other}`);
    this.begun.set(attempt, holder);
    const started = (this.tables.eventsOf.get(workflowStream(work.workflowId)) ?? []).find((event) => {
      if (event.type !== 'StepStarted') return false;
      const { stepId, attempt: number } = dataOf(event);
      return stepId === work.stepId && number === work.attempt;
    });
    const recorded = started === undefined ? undefined : dataOf(started).holder;
    if (recorded !== holder) this.broken('I14', `${attempt} is worked on by ${holder}, and held by ${recorded ?? 'nobody'}`);
  }

  ends(holder: string, work: Work): void {
    this.done.add(`${nameOf(work)} by ${holder}`);
  }

  see(event: StoredEvent): void {
    if (event.type === 'StepStarted') this.started(event);
    if (event.type === 'StepSucceeded' || event.type === 'StepFailed') this.settled(event);
  }

  private started(event: StoredEvent): void {
    const { stream } = event;
    const before = (this.tables.eventsOf.get(stream) ?? []).filter(({ version }) => version < event.version);
    // Not the row, which is as its commit left it: what that commit recorded later may have queued the workflow again.
    const last = before.findLast(({ type }) => QUEUES.has(type) || LEAVES_THE_QUEUE.has(type));
    // What is left behind is discarded without a slot.
    if (last !== undefined && QUEUES.has(last.type) && !dataOf(event).stepId.startsWith('tm-discard-'))
      this.broken('I9', `${stream} starts a step while it waits for a slot`);
  }

  /** An attempt is settled by somebody only when that somebody said so. */
  private settled(event: StoredEvent): void {
    const { stepId, attempt, by = '' } = dataOf(event);
    if (event.type === 'StepFailed' && (by === 'lease' || by === 'deadline')) return;
    const name = `${event.stream.slice('workflow-'.length)} ${stepId}#${String(attempt)}`;
    if (this.tables.steps.get(`${event.stream} ${stepId}`)?.kind === 'workflow.run') return this.settledByChild(event, name, by);
    if (!this.done.has(`${name} by ${by}`)) this.broken('I14', `${name} is settled by ${by}, who did not do it`);
    if (event.actor.id !== by) this.broken('I14', `${name} is settled for ${by} by ${event.actor.id}`);
  }

  /** A step that is a child workflow ends as that did, after it. */
  private settledByChild({ type, position }: StoredEvent, name: string, by: string): void {
    const last = this.tables.eventsOf.get(workflowStream(by as WorkflowId))?.at(-1);
    const outcome = last?.type === 'WorkflowEnded' && last.position < position ? dataOf(last).outcome : 'not ended';
    if ((outcome === 'completed') !== (type === 'StepSucceeded') || outcome === 'not ended')
      this.broken('I14', `${name}: ${type} although its child ${by} has ${outcome ?? ''}`);
  }
}

const nameOf = ({ workflowId, stepId, attempt }: Work): string => `${workflowId} ${stepId}#${String(attempt)}`;

const dataOf = (
  event: StoredEvent,
): { readonly stepId: string; readonly attempt: number; readonly holder?: string; readonly by?: string; readonly outcome?: string } =>
  JSON.parse(event.dataText) as never;
