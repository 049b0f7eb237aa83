import { HEADER_AFTER, HEADER_EPOCH, HEADER_UPTO, HEADER_UPTO_EVENT, workStreamOf } from '@taskmaster/contracts';
import { headers, nuid, type Msg, type NatsConnection, type Subscription } from 'nats';
import { inboxFor } from './broker.js';
import { WorkStreamLost } from './faults.js';
import type { PackedMessage } from './notice-packing.js';
import { Silence } from './silence.js';
import { systemTimers, type Timers } from './timers.js';

/** Publishes that may be unanswered; more than that is slower, not faster. */
export const PUBLISHES_IN_FLIGHT_MAX = 64;
const EXPECTED_STREAM = 'Nats-Expected-Stream';
const EXPECTED_LAST_SEQUENCE = 'Nats-Expected-Last-Sequence';
const MESSAGE_ID = 'Nats-Msg-Id';
const EXPECTED_LAST_ID = 'Nats-Expected-Last-Msg-Id';
const ACK_TIMEOUT_MS = 2_000;
const ACK_CHECK_MS = 250;

interface Sent {
  readonly sequence: number;
  readonly upto: number;
  readonly sentAt: number;
}

interface PublishReply {
  readonly stream?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string };
}

/** Where a publisher starts: the last message in the stream and what it covers. */
export interface PublisherStart {
  readonly epoch: number;
  readonly sequence: number;
  readonly upto: number;
  readonly uptoEvent: string;
}

/**
 * Extends one epoch's stream. Every publish names the stream and the sequence it must follow, so two publishers cannot both extend it,
 * and each but the first names the message before it as well. Every answer is compared with the sequence that was
 * expected. After the first mismatch nothing more is sent.
 */
export class FencedPublisher {
  readonly #stream: string;
  readonly #epoch: number;
  /** Different for every publisher that ever was. */
  readonly #name = nuid.next();
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #endWatch: () => void;
  readonly #sent: Sent[] = [];
  #waiting: (() => void)[] = [];
  /** The message that was the last one before ours. */
  readonly #first: number;
  #sequence: number;
  #upto: number;
  #uptoEvent: string;
  #ackedSequence: number;
  #ackedUpto: number;
  #lost: WorkStreamLost | undefined;

  constructor(
    private readonly connection: NatsConnection,
    start: PublisherStart,
    private readonly onAcknowledged: (upto: number) => void,
    private readonly timers: Timers = systemTimers,
  ) {
    this.#stream = workStreamOf(start.epoch);
    this.#epoch = start.epoch;
    this.#first = this.#sequence = this.#ackedSequence = start.sequence;
    this.#upto = this.#ackedUpto = start.upto;
    this.#uptoEvent = start.uptoEvent;
    this.#inbox = inboxFor(connection);
    this.#subscription = connection.subscribe(`${this.#inbox}.*`, { callback: (error, message) => this.#onReply(error, message) });
    this.#endWatch = timers.every(ACK_CHECK_MS, () => this.#onTick());
  }

  /** The position up to which the last message sent covers the log. */
  get upto(): number {
    return this.#upto;
  }
  get acknowledgedUpto(): number {
    return this.#ackedUpto;
  }
  get acknowledgedSequence(): number {
    return this.#ackedSequence;
  }
  get sequence(): number {
    return this.#sequence;
  }
  /** Why nothing more is sent, once something was refused. */
  get lost(): WorkStreamLost | undefined {
    return this.#lost;
  }
  get inFlight(): number {
    return this.#sent.length;
  }

  /** Sends one message as the next of the stream, waiting while the window is full. A part covers no more than the one before. @throws WorkStreamLost */
  async publish({ subject, payload }: PackedMessage, upto = this.#upto, uptoEvent = this.#uptoEvent): Promise<void> {
    while (this.#lost === undefined && this.#sent.length >= PUBLISHES_IN_FLIGHT_MAX) await this.#change();
    if (this.#lost !== undefined) throw this.#lost;
    const head = headers();
    head.set(EXPECTED_STREAM, this.#stream);
    head.set(EXPECTED_LAST_SEQUENCE, String(this.#sequence));
    // A sequence is only a count: somebody else's message may stand where ours was to be, or was before the broker came back with an
    // older disk. A broker that was started again has forgotten the id, and the stream is opened again.
    if (this.#sequence > this.#first) head.set(EXPECTED_LAST_ID, this.#idOf(this.#sequence));
    head.set(MESSAGE_ID, this.#idOf(this.#sequence + 1));
    head.set(HEADER_EPOCH, String(this.#epoch));
    head.set(HEADER_AFTER, String(this.#upto));
    head.set(HEADER_UPTO, String(upto));
    if (uptoEvent !== '') head.set(HEADER_UPTO_EVENT, uptoEvent);
    this.#sequence += 1;
    this.#upto = upto;
    this.#uptoEvent = uptoEvent;
    this.#sent.push({ sequence: this.#sequence, upto, sentAt: this.timers.now() });
    try {
      this.connection.publish(subject, payload, { headers: head, reply: `${this.#inbox}.${String(this.#sequence)}` });
    } catch (error) {
      throw this.#lose('the connection refused it', error);
    }
  }

  /** Waits until everything sent is in the stream. @throws WorkStreamLost */
  async flush(): Promise<void> {
    while (this.#lost === undefined && this.#sent.length > 0) await this.#change();
    if (this.#lost !== undefined) throw this.#lost;
  }

  /** @throws WorkStreamLost when something that was sent is not in the stream, or nobody knows */
  throwIfLost(): void {
    if (this.#lost !== undefined) throw this.#lost;
  }

  close(reason = 'closed'): void {
    this.#lose(reason);
  }

  /** Nobody else's message has this id, and no other of ours. */
  #idOf(sequence: number): string {
    return `${this.#name}.${String(sequence)}`;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #onReply(error: Error | null, message: Msg): void {
    if (this.#lost !== undefined) return;
    if (error !== null) return void this.#lose('the subscription failed', error);
    if (message.headers?.code === 503) return this.#loseUnanswered('nobody keeps the stream');
    const reply = message.json<PublishReply>();
    const first = this.#sent[0];
    if (first === undefined || !this.#isExpected(reply, first)) return void this.#lose(describeMismatch(reply, first));
    this.#sent.shift();
    Silence.of(this.connection)?.end();
    this.#ackedSequence = first.sequence;
    this.#ackedUpto = first.upto;
    this.onAcknowledged(first.upto);
    this.#wake();
  }

  #isExpected(reply: PublishReply, first: Sent): boolean {
    return reply.error === undefined && reply.seq === first.sequence && reply.duplicate !== true && reply.stream === this.#stream;
  }

  #onTick(): void {
    const [oldest] = this.#sent;
    if (oldest === undefined || this.timers.now() - oldest.sentAt <= ACK_TIMEOUT_MS) return;
    this.#loseUnanswered('no answer in time');
  }

  #loseUnanswered(reason: string): void {
    Silence.of(this.connection)?.note();
    this.#lose(reason);
  }

  #lose(reason: string, cause?: unknown): WorkStreamLost {
    if (this.#lost === undefined) {
      this.#lost = new WorkStreamLost(reason, { cause });
      this.#endWatch();
      if (!this.connection.isClosed()) this.#subscription.unsubscribe();
      this.#wake();
    }
    return this.#lost;
  }
}

const describeMismatch = ({ error, seq }: PublishReply, first: Sent | undefined): string =>
  error === undefined
    ? `sequence ${String(seq)} was answered where ${String(first?.sequence)} was expected`
    : (error.description ?? `error ${String(error.code)}`);
