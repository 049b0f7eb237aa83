import {
  clientCommandId,
  idOf,
  workflowStream,
  type ClientCommandType,
  type Command,
  type CommandAnswer,
  type CommandSender,
  type JsonObject,
  type WorkflowId,
} from '@taskmaster/contracts';
import type { Identity } from './identity.js';
import { Problem, unknownWorkflow, type ProblemDetail } from './problem.js';

export type ClientCommand = Extract<Command, { type: ClientCommandType }>;

/** A client's command and what it travels with. */
export interface ClientRequest {
  readonly identity: Identity;
  readonly idempotencyKey: string;
  readonly workflowId: WorkflowId;
  readonly command: ClientCommand;
  readonly correlationId: string;
  readonly traceparent?: string;
}

export interface Accepted {
  /** The workflow that the command went to: for a request that came again the one that it started the first time. */
  readonly workflowId: WorkflowId;
  readonly version: number;
  readonly position: number;
  readonly replayed: boolean;
}

/** Sends a client's command; the answer "no" becomes a problem with the code of the rules. @throws Problem, StateUnavailable */
export async function sendClientCommand(
  sender: CommandSender,
  request: ClientRequest,
  options?: { readonly deadlineMs: number },
): Promise<Accepted> {
  const { identity } = request;
  const answer = await sender.send(
    {
      id: clientCommandId(identity.tenantId, request.idempotencyKey),
      stream: workflowStream(request.workflowId),
      tenantId: identity.tenantId,
      actor: { kind: 'user', id: identity.keyId },
      correlationId: request.correlationId,
      ...(request.traceparent === undefined ? {} : { traceparent: request.traceparent }),
      command: request.command,
    },
    options,
  );
  // The rules know the stream only; the client asked for an id.
  if (answer.outcome === 'rejected' && answer.code === 'workflow-not-found') throw unknownWorkflow(request.workflowId);
  return acceptedOf(answer, request.workflowId, false);
}

function acceptedOf(answer: CommandAnswer, asked: WorkflowId, replayed: boolean): Accepted {
  switch (answer.outcome) {
    case 'accepted':
      return { workflowId: idOf(answer.stream) as WorkflowId, version: answer.version, position: answer.position, replayed };
    case 'noop':
      return { workflowId: asked, version: 0, position: 0, replayed };
    case 'duplicate':
      if (answer.first === null)
        throw new Problem('request-in-flight', 'The first request with this Idempotency-Key has no answer yet.', { retryAfterSeconds: 1 });
      return acceptedOf(answer.first, asked, true);
    case 'rejected':
      throw rejectionOf(answer);
    case 'later':
      throw new Problem('still-busy', answer.detail, { retryAfterSeconds: Math.max(1, Math.ceil(answer.retryAfterMs / 1000)) });
    case 'held':
      throw new Problem('request-in-flight', `Held by ${answer.holder}.`, { retryAfterSeconds: 1 });
  }
}

/** Members of a problem document that a rejection's data may not replace. */
const RESERVED = new Set(['type', 'title', 'status', 'detail', 'instance', 'code', 'errors']);

export function rejectionOf(answer: Extract<CommandAnswer, { outcome: 'rejected' }>): Problem {
  const members = Object.fromEntries(Object.entries(answer.data ?? {}).filter(([name]) => !RESERVED.has(name)));
  const errors = errorsOf(answer.code, answer.detail, answer.data);
  return new Problem(answer.code, answer.detail, { members, ...(errors === undefined ? {} : { errors }) });
}

/** Where in the body a refusal of a plan or a source points. */
function errorsOf(code: string, detail: string, data: JsonObject | undefined): readonly ProblemDetail[] | undefined {
  if (code.startsWith('plan-')) {
    const index = typeof data?.['index'] === 'number' ? data['index'] : undefined;
    return [{ pointer: index === undefined ? '/plan/steps' : `/plan/steps/${String(index)}`, detail }];
  }
  if (code === 'requirement-too-large') return [{ pointer: '/requirement', detail }];
  if (code === 'repository-required') return [{ pointer: '/repository', detail }];
  return undefined;
}
