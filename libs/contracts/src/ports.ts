import type { CommandAnswer, CommandEnvelope, CommandReply, CommandRequest } from './commands.js';
import type { Notice } from './notices.js';
import type { AnswerOf, QueryOf, QueryType } from './queries.js';

/** The world failed: nothing was decided, or nobody can know what was. Matched by class or `code`, never by message. */
export abstract class Fault extends Error {
  abstract readonly code: string;
  /** Whether asking again with the same id can help. */
  abstract readonly retryable: boolean;
}

/** No answer from state-service within the deadline; ask again with the same command id. */
export class StateUnavailable extends Fault {
  override readonly name = 'StateUnavailable';
  readonly code = 'state-unavailable';
  readonly retryable = true;
}

/** Where commands are decided, whichever way they come. */
export interface CommandDoor {
  /** Never rejects: what could not be decided is answered `fault`. */
  handle(request: CommandRequest): Promise<CommandReply>;
}

/** The way to state-service. Commands that arise while requests are in flight travel together. */
export interface CommandSender {
  /** Asks until answered or `deadlineMs` (default 30 000) has passed. @throws StateUnavailable */
  send(envelope: CommandEnvelope, options?: { readonly deadlineMs?: number }): Promise<CommandAnswer>;
}

export interface QueryAsker {
  /** @throws StateUnavailable */
  ask<Q extends QueryType>(query: Q, question: QueryOf<Q>, options?: { readonly deadlineMs?: number }): Promise<AnswerOf<Q>>;
}

/**
 * What became of a notice. `answered`: state-service has recorded or refused the effect, so the message may be acknowledged.
 * `later`: a limit is full; the same notice is handed in again after the delay, and stays open meanwhile.
 */
export type NoticeOutcome = { readonly kind: 'answered' } | { readonly kind: 'later'; readonly afterMs: number };

/** Reacts to one notice. Idempotent: every notice may come twice and may be stale. Throws a Fault when the world failed. */
export type NoticeHandler = (notice: Notice, context: { readonly deliveries: number }) => Promise<NoticeOutcome>;
