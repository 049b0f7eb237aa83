import {
  reactionCommandId,
  workflowStream,
  type Assignment,
  type AttemptRef,
  type Command,
  type CommandAnswer,
  type CommandEnvelope,
  type CommandSender,
  type JsonObject,
  type Notice,
  type StepError,
} from '@taskmaster/contracts';

/** What identifies one attempt and its cause: enough to report on it, also after a restart. */
export type Work = Pick<Notice, 'eventId' | 'tenantId' | 'workflowId' | 'stepId' | 'attempt' | 'kind' | 'correlationId' | 'traceparent'>;

export const refOf = ({ workflowId, stepId, attempt }: Work): AttemptRef => ({ workflowId, stepId, attempt });
export const workOf = ({ eventId, tenantId, workflowId, stepId, attempt, kind, correlationId, traceparent }: Work): Work => ({
  eventId,
  tenantId,
  workflowId,
  stepId,
  attempt,
  kind,
  correlationId,
  ...(traceparent === undefined ? {} : { traceparent }),
});

/** Progress reports of one attempt; later ones are dropped. */
export const PROGRESS_REPORTS_MAX = 200;
const PROGRESS_CHARS_MAX = 500;
const MESSAGE_CHARS_MAX = 2000;

/** Says to state-service what happens to attempts, always under ids derived from the event that caused the work. */
export class StepReporter {
  constructor(
    private readonly sender: CommandSender,
    /** Who holds what this process works on; the same after a restart. */
    readonly holder: string,
    readonly leaseMs: number,
  ) {}

  start(work: Work, assignment?: Assignment): Promise<CommandAnswer> {
    const { stepId, attempt } = work;
    const data = { stepId, attempt, holder: this.holder, leaseMs: this.leaseMs, ...(assignment === undefined ? {} : { assignment }) };
    return this.send(work, { type: 'StartStep', data });
  }

  complete(work: Work, output: JsonObject, durationMs: number): Promise<CommandAnswer> {
    const { stepId, attempt } = work;
    return this.send(work, {
      type: 'CompleteStep',
      data: { stepId, attempt, by: this.holder, durationMs: Math.round(durationMs), output },
    });
  }

  fail(work: Work, error: StepError): Promise<CommandAnswer> {
    const { stepId, attempt } = work;
    const bounded = { ...error, message: error.message.slice(0, MESSAGE_CHARS_MAX) };
    return this.send(work, { type: 'FailStep', data: { stepId, attempt, by: this.holder, error: bounded } });
  }

  /** A function that reports one line of progress at a time. What cannot be said in time is not said later: progress is not a result. */
  progressOf(work: Work): (message: string) => void {
    const { stepId, attempt } = work;
    let ordinal = 0;
    let last = '';
    return (message) => {
      const line = message.trim().slice(0, PROGRESS_CHARS_MAX);
      if (line === '' || line === last || ordinal >= PROGRESS_REPORTS_MAX) return;
      last = line;
      ordinal += 1;
      this.send(work, { type: 'ReportProgress', data: { stepId, attempt, message: line } }, ordinal).catch(() => undefined);
    };
  }

  private send(work: Work, command: Command, ordinal = 0): Promise<CommandAnswer> {
    const envelope: CommandEnvelope = {
      id: reactionCommandId(work.eventId, command.type, ordinal),
      stream: workflowStream(work.workflowId),
      tenantId: work.tenantId,
      actor: { kind: 'service', id: this.holder },
      correlationId: work.correlationId,
      causationId: work.eventId,
      ...(work.traceparent === undefined ? {} : { traceparent: work.traceparent }),
      command,
    };
    return this.sender.send(envelope);
  }
}
