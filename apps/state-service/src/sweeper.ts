import { reactionCommandId, type Command, type CommandEnvelope, type Notice, type StreamId, type TenantId } from '@taskmaster/contracts';
import { instantOf, noticeEventOf, noticesOf, type DueStep, type OpenWork } from '@taskmaster/event-log';

/** A notice that nobody answered is sent again after this, and again after each such while. */
export const REDRIVE_EVERY_MS = 5_000;

export interface SweeperOptions {
  readonly openWork: OpenWork;
  readonly send: (envelope: CommandEnvelope) => Promise<unknown>;
  /** Whether notices can be published now. */
  readonly publishes: () => boolean;
  /** Publishes notices of work that is late. @returns whether it could */
  readonly republish: (notices: readonly Notice[]) => Promise<boolean>;
  /** Looks at steps that are child workflows. */
  readonly children: (due: readonly DueStep[]) => Promise<void>;
}

/** A child workflow is followed; it neither needs a notice nor loses its lease. */
const isChild = ({ kind, status }: DueStep): boolean => kind === 'workflow.run' && status !== 'retrying';

/** Looks for timers that came due. The rules decide what each means; a sweep only says what it saw. */
export class Sweeper {
  constructor(private readonly options: SweeperOptions) {}

  /** @returns how many timers were due */
  async steps(): Promise<number> {
    // What cannot be published must not crowd out what the database alone can do.
    const due = await this.options.openWork.dueSteps({ ready: this.options.publishes() });
    const others = due.filter((step) => !isChild(step));
    const ready = others.filter(({ status }) => status === 'ready');
    await Promise.all([this.options.children(due.filter(isChild)), this.redrive(ready), ...others.flatMap((step) => this.expire(step))]);
    return due.length;
  }

  async workflows(): Promise<number> {
    const due = await this.options.openWork.dueWorkflows();
    await Promise.all(due.map((workflow) => this.ask(workflow, [workflow.stream, workflow.dueAt], { type: 'ExpireWorkflow', data: {} })));
    return due.length;
  }

  /** Published first: a crash in between sends a notice twice, never not at all. */
  private async redrive(ready: readonly DueStep[]): Promise<void> {
    if (ready.length === 0) return;
    const events = await this.options.openWork.readiedEvents(ready);
    const published = await this.options.republish(noticesOf(events.map(noticeEventOf)));
    if (published) await this.options.openWork.postponeReady(ready, REDRIVE_EVERY_MS);
  }

  private expire(step: DueStep): readonly Promise<unknown>[] {
    const { stepId, attempt, status, dueAt } = step;
    const cause = [step.stream, stepId, String(attempt), dueAt];
    if (status === 'running')
      return [this.ask(step, cause, { type: 'ExpireStep', data: { stepId, attempt, leaseExpiresAt: instantOf(dueAt) } })];
    if (status === 'retrying') return [this.ask(step, cause, { type: 'RetryStep', data: { stepId, attempt } })];
    return [];
  }

  private ask(
    on: { readonly stream: StreamId; readonly tenantId: TenantId },
    cause: readonly string[],
    command: Command,
  ): Promise<unknown> {
    const id = reactionCommandId(cause.join(' '), command.type);
    return this.options.send({
      id,
      stream: on.stream,
      tenantId: on.tenantId,
      actor: { kind: 'system', id: 'sweep' },
      correlationId: id,
      command,
    });
  }
}
