import {
  StateUnavailable,
  subjectOfQuery,
  type AnswerOf,
  type QueryAsker,
  type QueryOf,
  type QueryReply,
  type QueryType,
} from '@taskmaster/contracts';
import { ErrorCode, NatsError, type NatsConnection } from 'nats';
import { Absence } from './absence.js';
import { RequestInbox, type Unanswered } from './request-inbox.js';
import { backoffOf, DEADLINE_DEFAULT_MS, timeoutOf } from './retries.js';
import { systemTimers, type Timers } from './timers.js';

/** Asks over request/reply, again and again until answered or too late. */
export class NatsQueryAsker implements QueryAsker {
  readonly #inbox: RequestInbox;
  readonly #absence: Absence;

  constructor(
    private readonly connection: NatsConnection,
    private readonly timers: Timers = systemTimers,
  ) {
    this.#inbox = new RequestInbox(connection, timers);
    this.#absence = new Absence(timers);
  }

  async ask<Q extends QueryType>(query: Q, question: QueryOf<Q>, options?: { readonly deadlineMs?: number }): Promise<AnswerOf<Q>> {
    const deadline = this.timers.now() + (options?.deadlineMs ?? DEADLINE_DEFAULT_MS);
    const subject = subjectOfQuery(query);
    const payload = JSON.stringify(question);
    for (let tries = 0; ;) {
      const left = deadline - this.timers.now();
      if (left <= 0) throw new StateUnavailable(`${query} was not answered after ${String(tries)} tries`);
      const reply = await this.#askOnce<Q>(subject, payload, Math.max(1, Math.min(timeoutOf(tries), left)));
      if (reply === 'refused') await this.#absence.wait(Math.max(0, deadline - this.timers.now()));
      else if (reply === 'late') tries += 1;
      else {
        this.#absence.end();
        if ('answer' in reply) return reply.answer;
        await this.#pause(Math.min(backoffOf(tries), Math.max(0, deadline - this.timers.now())));
        tries += 1;
      }
    }
  }

  async #askOnce<Q extends QueryType>(subject: string, payload: string, timeout: number): Promise<QueryReply<Q> | Unanswered> {
    try {
      const message = await this.#inbox.ask(subject, payload, timeout);
      return typeof message === 'string' ? message : message.json<QueryReply<Q>>();
    } catch (error) {
      const code = error instanceof NatsError ? error.code : undefined;
      if (code === ErrorCode.MaxPayloadExceeded) throw error;
      if (this.connection.isClosed() || code === ErrorCode.ConnectionDraining) {
        throw new StateUnavailable('the connection to the broker is closed', { cause: error });
      }
      return 'refused';
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.timers.after(ms, resolve);
    });
  }
}
