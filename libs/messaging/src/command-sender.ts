import {
  COMMAND_REQUESTS_IN_FLIGHT_MAX,
  COMMANDS_PER_REQUEST_MAX,
  MESSAGE_BYTES_MAX,
  StateUnavailable,
  SUBJECT_COMMANDS,
  utf8Bytes,
  type CommandAnswer,
  type CommandEnvelope,
  type CommandReply,
  type CommandSender,
  type KindGroup,
  type Notice,
} from '@taskmaster/contracts';
import { ErrorCode, NatsError, type NatsConnection } from 'nats';
import { Absence } from './absence.js';
import { RequestInbox, type Unanswered } from './request-inbox.js';
import { backoffOf, DEADLINE_DEFAULT_MS, timeoutOf } from './retries.js';
import { systemTimers, type Timers } from './timers.js';

interface Entry {
  readonly json: string;
  readonly bytes: number;
  readonly deadline: number;
  readonly resolve: (answer: CommandAnswer) => void;
  readonly reject: (error: Error) => void;
  tries: number;
  settled: boolean;
}

/** How often deadlines are looked at while anything waits. */
const DEADLINE_CHECK_MS = 50;
const HEAD = '{"commands":[';

/** Work that a sender does itself. */
export interface OwnWork {
  readonly groups: readonly KindGroup[];
  /** Told of what became ready, ahead of the message that carries the notice. @returns whether it does it, or leaves it to that */
  readonly begin: (notice: Notice) => boolean;
}

/**
 * Sends commands over request/reply. While the allowed requests are in flight, commands collect and travel together: no timer, so
 * nothing waits when idle. A try that fails is repeated with the same ids.
 */
export class NatsCommandSender implements CommandSender {
  readonly #queue: Entry[] = [];
  readonly #open = new Set<Entry>();
  #inFlight = 0;
  #pumping = false;
  #endDeadlines: (() => void) | undefined;
  readonly #tail: string;
  readonly #inbox: RequestInbox;
  readonly #absence: Absence;

  constructor(
    private readonly connection: NatsConnection,
    private readonly timers: Timers = systemTimers,
    private readonly own?: OwnWork,
  ) {
    this.#tail = own === undefined ? ']}' : `],"works":${JSON.stringify(own.groups)}}`;
    this.#inbox = new RequestInbox(connection, timers);
    this.#absence = new Absence(timers);
  }

  send(envelope: CommandEnvelope, options?: { readonly deadlineMs?: number }): Promise<CommandAnswer> {
    const json = JSON.stringify(envelope);
    const deadline = this.timers.now() + (options?.deadlineMs ?? DEADLINE_DEFAULT_MS);
    return new Promise((resolve, reject) => {
      const entry = { json, bytes: utf8Bytes(json) + 1, deadline, resolve, reject, tries: 0, settled: false };
      this.#open.add(entry);
      this.#queue.push(entry);
      this.#endDeadlines ??= this.timers.every(DEADLINE_CHECK_MS, () => this.#expire());
      this.#pumpSoon();
    });
  }

  /** Once this turn's input is handled, so that the answers to one message of notices travel together. */
  #pumpSoon(): void {
    if (this.#pumping || this.#inFlight >= COMMAND_REQUESTS_IN_FLIGHT_MAX) return;
    this.#pumping = true;
    this.timers.soon(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#inFlight < COMMAND_REQUESTS_IN_FLIGHT_MAX && this.#queue.length > 0) {
      const batch = this.#takeBatch();
      if (batch.length === 0) return;
      this.#inFlight += 1;
      void this.#request(batch).finally(() => {
        this.#inFlight -= 1;
        this.#pump();
      });
    }
  }

  #takeBatch(): readonly Entry[] {
    let bytes = HEAD.length + this.#tail.length;
    let count = 0;
    for (const entry of this.#queue) {
      bytes += entry.bytes;
      if (count === COMMANDS_PER_REQUEST_MAX || (count > 0 && bytes > MESSAGE_BYTES_MAX)) break;
      count += 1;
    }
    return this.#queue.splice(0, count).filter((entry) => !entry.settled);
  }

  async #request(batch: readonly Entry[]): Promise<void> {
    let tries = 0;
    for (const entry of batch) tries = Math.max(tries, entry.tries);
    const payload = HEAD + (batch.length === 1 ? (batch[0]?.json ?? '') : batch.map(({ json }) => json).join(',')) + this.#tail;
    try {
      const message = await this.#inbox.ask(SUBJECT_COMMANDS, payload, timeoutOf(tries));
      if (typeof message === 'string') this.#retryUnanswered(batch, message);
      else {
        this.#absence.end();
        this.#settleAll(batch, message.json<CommandReply>());
      }
    } catch (error) {
      this.#retryAfterError(batch, error);
    }
  }

  #settleAll(batch: readonly Entry[], reply: CommandReply): void {
    if (reply.answers?.length !== batch.length) throw new TypeError('the reply does not answer the commands');
    const faulty: Entry[] = [];
    reply.answers.forEach((answer, index) => {
      const entry = batch[index] as Entry;
      if (answer.outcome === 'fault') faulty.push(entry);
      else this.#settle(entry, answer);
    });
    this.#retryLater(faulty);
    for (const notice of reply.ahead ?? []) this.own?.begin(notice);
  }

  #retryUnanswered(batch: readonly Entry[], why: Unanswered): void {
    if (why === 'refused') {
      void this.#absence.wait().then(() => this.#retry(batch));
      return;
    }
    // Waiting was the backoff.
    for (const entry of batch) entry.tries += 1;
    this.#queue.unshift(...batch.filter((entry) => !entry.settled));
  }

  /** What is oldest goes first. */
  #retry(entries: readonly Entry[]): void {
    this.#queue.unshift(...entries.filter((entry) => !entry.settled));
    this.#pump();
  }

  #retryAfterError(batch: readonly Entry[], error: unknown): void {
    const code = error instanceof NatsError ? error.code : undefined;
    if (code === ErrorCode.MaxPayloadExceeded) {
      for (const entry of batch) this.#settle(entry, error as NatsError);
    } else if (this.connection.isClosed() || code === ErrorCode.ConnectionClosed || code === ErrorCode.ConnectionDraining) {
      for (const entry of batch) this.#settle(entry, new StateUnavailable('the connection to the broker is closed', { cause: error }));
    } else this.#retryLater(batch);
  }

  #retryLater(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    let tries = 0;
    for (const entry of entries) tries = Math.max(tries, (entry.tries += 1));
    this.timers.after(backoffOf(tries - 1), () => this.#retry(entries));
  }

  #expire(): void {
    const now = this.timers.now();
    for (const entry of this.#open) {
      if (entry.deadline <= now) this.#settle(entry, new StateUnavailable(`no answer after ${String(entry.tries + 1)} tries`));
    }
  }

  #settle(entry: Entry, result: CommandAnswer | Error): void {
    if (entry.settled) return;
    entry.settled = true;
    this.#open.delete(entry);
    if (this.#open.size === 0) {
      this.#endDeadlines?.();
      this.#endDeadlines = undefined;
    }
    if (result instanceof Error) entry.reject(result);
    else entry.resolve(result);
  }
}
