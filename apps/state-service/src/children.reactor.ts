import {
  eventIdOf,
  idOf,
  reactionCommandId,
  workflowStream,
  type CommandEnvelope,
  type LeaseRenewal,
  type StepId,
  type StreamId,
  type TenantId,
  type Timestamp,
  type WorkflowId,
} from '@taskmaster/contracts';
import type { DueStep, OpenWork } from '@taskmaster/event-log';
import {
  CHILD_LEASE_MS,
  childHolding,
  followedChildren,
  nextChildMove,
  refuseChild,
  type ChildMove,
  type ChildStep,
  type Workflow,
} from '@taskmaster/workflow';
import type { Answer } from './decide-stream.js';
import { absentEntry, type Entry } from './entry.js';
import type { Commit } from './handle-command.js';
import { OneAtATime } from './one-at-a-time.js';

/** Commands of one look; a child needs four in its life. */
const MOVES_MAX = 8;

export interface ChildrenOptions {
  /** Streams as the log has them now. */
  readonly today: (streams: readonly StreamId[]) => Promise<ReadonlyMap<StreamId, Entry>>;
  readonly openWork: Pick<OpenWork, 'renewLeases'>;
  readonly send: (envelope: CommandEnvelope) => Promise<Answer>;
  readonly clock: () => Timestamp;
  readonly onFault: (error: unknown) => void;
}

type Making = Extract<ChildMove, { readonly command: unknown }>;
type Waiting = Extract<ChildMove, { readonly to: 'wait' }>;

const ABSENT: Workflow = { status: 'absent' };

/**
 * Brings parents and their child workflows together. Whoever commits what concerns both looks at once; a lease on the parent's step,
 * renewed by looking, is the net for what a crash left undone. It needs the database only.
 */
export class ChildrenReactor {
  private readonly steps: OneAtATime;

  constructor(private readonly options: ChildrenOptions) {
    this.steps = new OneAtATime((key) => this.bringOn(stepNamed(key)), options.onFault);
  }

  /** Looks at the steps that a commit concerns. */
  onCommitted({ events, after }: Pick<Commit, 'events' | 'after'>): void {
    for (const event of events) {
      const entry = after.get(event.stream);
      if (entry?.category !== 'workflow') continue;
      const id = idOf(event.stream) as WorkflowId;
      for (const step of followedChildren(id, event, entry.state as Workflow)) this.steps.ask(keyOf(step));
    }
  }

  /** Looks at `workflow.run` steps whose time has come, all at once: those whose child runs have time again, the others are brought on. */
  async onDue(due: readonly Pick<DueStep, 'stream' | 'stepId'>[]): Promise<void> {
    if (due.length === 0) return;
    const parents = await this.options.today([...new Set(due.map(({ stream }) => stream))]);
    const steps = due.map(({ stream, stepId }) => {
      const of = { workflowId: idOf(stream) as WorkflowId, stepId };
      return { of, parent: parents.get(stream), holder: childHolding(of, stateOf(parents.get(stream))) };
    });
    const holders = steps.flatMap(({ holder }) => (holder === undefined ? [] : [workflowStream(holder)]));
    const children = holders.length === 0 ? new Map<StreamId, Entry>() : await this.options.today(holders);
    const now = this.options.clock();
    const waiting: LeaseRenewal[] = [];
    for (const { of, parent, holder } of steps) {
      const child = holder === undefined ? undefined : children.get(workflowStream(holder));
      const move = nextChildMove(of, stateOf(parent), stateOf(child), now);
      if (move.to === 'wait') waiting.push(renewalOf(of, parent?.tenantId, move));
      else this.steps.ask(keyOf(of));
    }
    if (waiting.length > 0) await this.options.openWork.renewLeases(waiting);
  }

  /** Resolves when nothing is looked at. */
  idle(): Promise<void> {
    return this.steps.idle();
  }

  /** One command after the other, each on what the log says then, until there is nothing more to do here. */
  private async bringOn(of: ChildStep): Promise<void> {
    for (let moves = 0; moves < MOVES_MAX; moves += 1) if (!(await this.move(of))) return;
  }

  /** @returns whether there may be more to do */
  private async move(of: ChildStep): Promise<boolean> {
    const parent = await this.today(workflowStream(of.workflowId));
    const holder = childHolding(of, stateOf(parent));
    const child = holder === undefined ? undefined : await this.today(workflowStream(holder));
    const move = nextChildMove(of, stateOf(parent), stateOf(child), this.options.clock());
    if (!('command' in move)) return false;
    const [target, cause] = move.to === 'child' && child !== undefined ? [child, parent] : [parent, child ?? parent];
    const answer = await this.make(of, move, { target, cause });
    const refusal = refusalOf(move, answer);
    if (refusal === undefined) return isDone(answer);
    const failing = refuseChild(of, stateOf(parent), refusal);
    if ('command' in failing) await this.make(of, failing, { target: parent, cause: parent });
    return false;
  }

  private async today(stream: StreamId): Promise<Entry> {
    return (await this.options.today([stream])).get(stream) ?? absentEntry(stream);
  }

  /** The same move of the same step on the same state is the same command. */
  private make(of: ChildStep, { command }: Making, { target, cause }: { readonly target: Entry; readonly cause: Entry }): Promise<Answer> {
    const causationId = eventIdOf(cause.stream, Math.max(1, cause.version));
    return this.options.send({
      id: reactionCommandId(`${keyOf(of)} at ${target.stream} ${String(target.version)}`, command.type),
      stream: target.stream,
      tenantId: (target.tenantId ?? cause.tenantId) as TenantId,
      actor: { kind: 'system', id: 'children' },
      correlationId: causationId,
      causationId,
      command,
    });
  }
}

function renewalOf({ workflowId, stepId }: ChildStep, tenantId: TenantId | null | undefined, wait: Waiting): LeaseRenewal {
  const { attempt, holder } = wait;
  return { tenantId: tenantId as TenantId, workflowId, stepId, attempt, holder, leaseMs: CHILD_LEASE_MS };
}

const stateOf = (entry: Entry | undefined): Workflow => (entry === undefined ? ABSENT : (entry.state as Workflow));

const keyOf = ({ workflowId, stepId }: ChildStep): string => `${workflowId} ${stepId}`;
const stepNamed = (key: string): ChildStep => {
  const [workflowId, stepId] = key.split(' ');
  return { workflowId: workflowId as WorkflowId, stepId: stepId as StepId };
};

/** What the rules said of it, now or when it was asked for first. */
const saidOf = (answer: Answer): Answer => (answer.outcome === 'duplicate' && answer.first !== null ? answer.first : answer);

/** Why there will be no child, when the rules refuse it. */
function refusalOf({ command }: Making, answer: Answer): string | undefined {
  const said = saidOf(answer);
  const isRefused = command.type === 'RequestWorkflow' && said.outcome === 'rejected' && said.code !== 'workflow-already-exists';
  return isRefused ? said.detail : undefined;
}

const isDone = (answer: Answer): boolean => ['accepted', 'duplicate'].includes(saidOf(answer).outcome);
