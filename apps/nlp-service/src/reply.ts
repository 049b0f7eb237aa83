import {
  type CommandAnswer,
  type CommandEnvelope,
  type CommandSender,
  type JsonObject,
  type Notice,
  type NoticeOutcome,
  reactionCommandId,
  type Result,
  type StepError,
  STEP_OUTPUT_BYTES_MAX,
  workflowStream,
} from '@taskmaster/contracts';

export const SERVICE_NAME = 'nlp-service';
const ANSWERED: NoticeOutcome = { kind: 'answered' };

/** What a reactor needs of the world. */
export interface Replying {
  readonly sender: CommandSender;
  /** Monotone milliseconds. */
  readonly now: () => number;
}

type Settling = Extract<CommandEnvelope['command'], { readonly type: 'CompleteStep' | 'FailStep' }>;

function envelopeOf(notice: Notice, command: Settling): CommandEnvelope {
  return {
    id: reactionCommandId(notice.eventId, command.type),
    stream: workflowStream(notice.workflowId),
    tenantId: notice.tenantId,
    actor: { kind: 'service', id: SERVICE_NAME },
    correlationId: notice.correlationId,
    causationId: notice.eventId,
    ...(notice.traceparent === undefined ? {} : { traceparent: notice.traceparent }),
    command,
  };
}

const failure = (notice: Notice, error: StepError): Settling => ({
  type: 'FailStep',
  data: { stepId: notice.stepId, attempt: notice.attempt, by: SERVICE_NAME, error },
});

/** A failed attempt whose words are bounded: messages may quote a model or a server. */
function bounded(error: StepError): StepError {
  return { ...error, message: error.message.slice(0, 2_000) };
}

function outcomeOf(answer: CommandAnswer): NoticeOutcome {
  return answer.outcome === 'later' ? { kind: 'later', afterMs: answer.retryAfterMs } : ANSWERED;
}

async function settleFailed(ports: Replying, notice: Notice, error: StepError): Promise<NoticeOutcome> {
  return outcomeOf(await ports.sender.send(envelopeOf(notice, failure(notice, bounded(error)))));
}

/**
 * Sends what became of an attempt, once: CompleteStep, or FailStep when there is no output, it is too large, or the rules refuse it.
 * @throws StateUnavailable
 */
export async function settleStep(
  ports: Replying,
  notice: Notice,
  startedAt: number,
  output: Result<JsonObject, StepError>,
): Promise<NoticeOutcome> {
  if (!output.ok) return settleFailed(ports, notice, output.error);
  const bytes = Buffer.byteLength(JSON.stringify(output.value));
  if (bytes > STEP_OUTPUT_BYTES_MAX)
    return settleFailed(ports, notice, {
      type: 'validation',
      message: `The output has ${String(bytes)} bytes; at most ${String(STEP_OUTPUT_BYTES_MAX)} are kept.`,
      retryable: false,
    });
  const durationMs = Math.max(0, Math.round(ports.now() - startedAt));
  const answer = await ports.sender.send(
    envelopeOf(notice, {
      type: 'CompleteStep',
      data: { stepId: notice.stepId, attempt: notice.attempt, by: SERVICE_NAME, durationMs, output: output.value },
    }),
  );
  if (answer.outcome !== 'rejected') return outcomeOf(answer);
  // The rules looked at the output and said no, for instance to a plan: the attempt has failed, and says why.
  return settleFailed(ports, notice, {
    type: 'validation',
    message: `The result was refused: ${answer.detail}`,
    retryable: false,
    detail: { code: answer.code },
  });
}
