import type { Msg, NatsConnection, Subscription } from 'nats';
import { inboxFor } from './broker.js';
import { Silence } from './silence.js';
import type { Timers } from './timers.js';

/** Why a request has no answer: none came in time, or nobody listens there. */
export type Unanswered = 'late' | 'refused';

const NO_RESPONDERS = 503;

interface Waiting {
  readonly settle: (answer: Msg | Unanswered) => void;
  readonly endTimer: () => void;
}

/**
 * Requests over one subscription. The client's own requests race two promises each and make an error with its stack for every one that
 * is answered, which is dearer than the message.
 */
export class RequestInbox {
  readonly #waiting = new Map<string, Waiting>();
  readonly #inbox: string;
  readonly #silence: Silence | undefined;
  #subscription: Subscription | undefined;
  #last = 0;

  constructor(
    private readonly connection: NatsConnection,
    private readonly timers: Timers,
  ) {
    this.#inbox = inboxFor(connection);
    this.#silence = Silence.of(connection);
  }

  /** Asks once. @throws NatsError when the connection does not take the message: closed, draining, or the payload too large */
  ask(subject: string, payload: string, timeoutMs: number): Promise<Msg | Unanswered> {
    this.#subscription ??= this.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#onAnswer(message);
      },
    });
    const reply = `${this.#inbox}.${String((this.#last += 1))}`;
    this.connection.publish(subject, payload, { reply });
    return new Promise((settle) => {
      const endTimer = this.timers.after(timeoutMs, () => {
        this.#waiting.delete(reply);
        this.#silence?.note();
        settle('late');
      });
      this.#waiting.set(reply, { settle, endTimer });
    });
  }

  #onAnswer(message: Msg): void {
    const waiting = this.#waiting.get(message.subject);
    if (waiting === undefined) return;
    this.#waiting.delete(message.subject);
    waiting.endTimer();
    const isRefused = message.headers?.code === NO_RESPONDERS;
    if (isRefused) this.#silence?.note();
    else this.#silence?.end();
    waiting.settle(isRefused ? 'refused' : message);
  }
}
