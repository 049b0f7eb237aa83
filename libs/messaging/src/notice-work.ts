import {
  StateUnavailable,
  subjectOfDeadLetter,
  type EventId,
  type Notice,
  type NoticeHandler,
  type NoticeMessage,
} from '@taskmaster/contracts';
import type { NatsConnection } from 'nats';
import { Outbox } from './outbox.js';
import { systemTimers, type Timers } from './timers.js';
import { ACK_WAIT_MS } from './topology.js';
import type { WorkMessage } from './work-message.js';

export interface NoticeWorkOptions {
  /** Notices of this process in work at once, over all its consumers. */
  readonly maxConcurrent: number;
  /** Deliveries after which a notice that still fails is poison. */
  readonly deliveriesMax: number;
  /** Records the failure of a poison notice; when it throws, the notice comes again. */
  readonly onPoison: (notice: Notice, error: unknown) => Promise<void>;
  /** Told of every failure of a handler, for the log. */
  readonly onFailure?: (notice: Notice, error: unknown) => void;
  readonly timers?: Timers;
}

/** How often the broker is told of what is still in work: a message is named after two of these at the latest. */
const WORKING_MS = ACK_WAIT_MS / 5;
/** Tries before a message is given back to the broker. */
const LOCAL_TRIES_MAX = 3;
const LOCAL_BACKOFF_MS = 50;
const GIVE_BACK_FIRST_MS = 250;
const GIVE_BACK_MS_MAX = 10_000;
const DRAIN_GIVE_BACK_MS = 100;
/** Messages held open: in work, waiting for a place, or told `later`. No more are pulled beyond it. */
const OPEN_MESSAGES_MAX = 128;
/** Notices begun before their message that are remembered; the message of an older one may have gone to another process. */
const BEGUN_MAX = 1_024;

interface Open {
  readonly consumer: string;
  readonly message: WorkMessage;
  readonly handler: NoticeHandler;
}

/** How a notice is worked on. */
interface Work {
  readonly handler: NoticeHandler;
  readonly deliveries: number;
}

type Verdict = 'answered' | 'given-back' | { readonly failed: unknown };

/**
 * The notices that this process works on. A message is acknowledged when every notice in it is answered; until then the broker is told
 * that we are at it, so that it goes to nobody else.
 */
export class NoticeWork {
  readonly #open = new Set<WorkMessage>();
  /** Those that were open when the broker was last told; most are done before they have to be named. */
  #old: ReadonlySet<WorkMessage> = new Set();
  readonly #waitingForPlace: (() => void)[] = [];
  readonly #sleepers = new Set<() => void>();
  readonly #roomListeners = new Set<() => void>();
  readonly #timers: Timers;
  /** What becomes of notices that were begun before their message came. */
  readonly #begun = new Map<EventId, Promise<Verdict>>();
  #beginning = 0;
  /** Notices of messages in work: an answer can be read after the message that it was sent ahead of. */
  readonly #inWork = new Set<EventId>();
  #places: number;
  #isDraining = false;
  #endHeartbeat: (() => void) | undefined;
  #onIdle: (() => void) | undefined;

  constructor(
    private readonly connection: NatsConnection,
    private readonly options: NoticeWorkOptions,
  ) {
    this.#timers = options.timers ?? systemTimers;
    this.#places = options.maxConcurrent;
  }

  /** How many more messages may be pulled. */
  get room(): number {
    if (this.#isDraining || this.#waitingForPlace.length > 0) return 0;
    return Math.min(OPEN_MESSAGES_MAX, this.options.maxConcurrent + this.#sleepers.size) - this.#open.size;
  }

  /** Calls back whenever a message is done. */
  onRoom(listener: () => void): () => void {
    this.#roomListeners.add(listener);
    return () => this.#roomListeners.delete(listener);
  }

  /** Takes a delivered message; never throws. */
  take(open: Open): void {
    const { message } = open;
    this.#open.add(message);
    this.#endHeartbeat ??= this.#timers.every(WORKING_MS, () => this.#sayWorking());
    void this.#process(open)
      // The connection is gone, and the answer with it: the message is delivered again.
      .catch(() => undefined)
      .finally(() => this.#done(message));
  }

  /**
   * Begins a notice that was told ahead, unless too many are waiting. Its message comes when it is not answered soon, and is answered by
   * what comes of this; what fails here is done again with the message, and counts there. @returns whether it does
   */
  begin(notice: Notice, handler: NoticeHandler): boolean {
    const { eventId } = notice;
    if (this.#isDraining || this.#beginning >= BEGUN_MAX || this.#begun.has(eventId) || this.#inWork.has(eventId)) return false;
    this.#beginning += 1;
    const verdict = this.#work({ handler, deliveries: 1 }, notice).finally(() => {
      this.#beginning -= 1;
      this.#idle();
    });
    this.#begun.set(eventId, verdict);
    const [oldest] = this.#begun.keys();
    if (oldest !== undefined && this.#begun.size > BEGUN_MAX) this.#begun.delete(oldest);
    return true;
  }

  /** Finishes what is in a handler and gives everything else back. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    for (const wake of [...this.#sleepers]) wake();
    for (const wake of this.#waitingForPlace.splice(0)) wake();
    if (this.#open.size === 0 && this.#beginning === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  async #process(open: Open): Promise<void> {
    const { message, consumer } = open;
    const notices = parse(message);
    if (notices === undefined) {
      this.connection.publish(subjectOfDeadLetter(consumer), message.message.data);
      message.terminate();
      return;
    }
    const work = { handler: open.handler, deliveries: message.deliveries };
    const verdicts =
      notices.length === 1
        ? [await this.#answer(work, notices[0] as Notice)]
        : await Promise.all(notices.map((notice) => this.#answer(work, notice)));
    if (verdicts.every((verdict) => verdict === 'answered')) this.#acknowledge(message);
    else if (verdicts.includes('given-back')) message.giveBack(DRAIN_GIVE_BACK_MS * (1 + this.#timers.random()));
    else if (await this.#isBuried(message, notices, verdicts)) this.#acknowledge(message);
    else message.giveBack(giveBackAfter(message.deliveries, this.#timers.random()));
  }

  /** Nobody waits for it, so it travels with the next command. */
  #acknowledge(message: WorkMessage): void {
    const outbox = Outbox.of(this.connection);
    if (outbox === undefined) message.ack();
    else outbox.sendLate(() => message.ack());
  }

  /** A notice of a message: what was begun before is waited for. */
  async #answer(work: Work, notice: Notice): Promise<Verdict> {
    const { eventId } = notice;
    const begun = this.#begun.get(eventId);
    this.#begun.delete(eventId);
    if (begun !== undefined && (await begun) === 'answered') return 'answered';
    this.#inWork.add(eventId);
    try {
      return await this.#work(work, notice);
    } finally {
      this.#inWork.delete(eventId);
    }
  }

  /** One notice until it is answered, fails for now, or must be given back. */
  async #work({ handler, deliveries }: Work, notice: Notice): Promise<Verdict> {
    const context = { deliveries };
    for (let failures = 0; ;) {
      if (this.#isDraining) return 'given-back';
      if (this.#places > 0) this.#places -= 1;
      else if (!(await this.#place())) return 'given-back';
      let waitMs: number;
      try {
        const outcome = await handler(notice, context);
        if (outcome.kind === 'answered') return 'answered';
        waitMs = outcome.afterMs;
      } catch (error) {
        this.options.onFailure?.(notice, error);
        failures += 1;
        if (failures >= LOCAL_TRIES_MAX) return { failed: error };
        waitMs = LOCAL_BACKOFF_MS * 2 ** failures;
      } finally {
        this.#freePlace();
      }
      if (!(await this.#sleep(waitMs))) return 'given-back';
    }
  }

  /** Whether every notice that failed is poison and recorded as such. An unreachable state-service is nobody's poison. */
  async #isBuried(message: WorkMessage, notices: readonly Notice[], verdicts: readonly Verdict[]): Promise<boolean> {
    if (message.deliveries < this.options.deliveriesMax) return false;
    for (const [index, verdict] of verdicts.entries()) {
      if (typeof verdict === 'string') continue;
      if (verdict.failed instanceof StateUnavailable) return false;
      const notice = notices[index] as Notice;
      try {
        await this.options.onPoison(notice, verdict.failed);
      } catch (error) {
        this.options.onFailure?.(notice, error);
        return false;
      }
    }
    return true;
  }

  async #place(): Promise<boolean> {
    if (this.#isDraining) return false;
    await new Promise<void>((resolve) => {
      this.#waitingForPlace.push(resolve);
    });
    // A place is handed over without being freed, except by a drain, which hands over nothing.
    return !this.#isDraining;
  }

  #freePlace(): void {
    const next = this.#waitingForPlace.shift();
    if (next === undefined) this.#places += 1;
    else next();
    // There was no room while somebody waited.
    if (next !== undefined && this.#waitingForPlace.length === 0) for (const listener of this.#roomListeners) listener();
  }

  /** @returns whether it slept to the end */
  #sleep(ms: number): Promise<boolean> {
    if (this.#isDraining) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (isWhole: boolean): void => {
        forget();
        this.#sleepers.delete(wake);
        resolve(isWhole);
      };
      const wake = (): void => end(false);
      const forget = this.#timers.after(ms, () => end(true));
      this.#sleepers.add(wake);
      for (const listener of this.#roomListeners) listener();
    });
  }

  #sayWorking(): void {
    if (this.connection.isClosed()) return;
    for (const message of this.#open) if (this.#old.has(message)) message.working();
    this.#old = new Set(this.#open);
  }

  #done(message: WorkMessage): void {
    this.#open.delete(message);
    if (this.#open.size === 0) {
      this.#endHeartbeat?.();
      this.#endHeartbeat = undefined;
      this.#old = new Set();
    }
    this.#idle();
    for (const listener of this.#roomListeners) listener();
  }

  #idle(): void {
    if (this.#open.size === 0 && this.#beginning === 0) this.#onIdle?.();
  }
}

/** The message's notices, or undefined when it is not a message of notices. */
function parse({ message }: WorkMessage): readonly Notice[] | undefined {
  try {
    const { notices } = message.json<NoticeMessage>();
    return Array.isArray(notices) ? notices : undefined;
  } catch {
    return undefined;
  }
}

/** With jitter, so that what failed together does not come back together. */
const giveBackAfter = (deliveries: number, random: number): number =>
  Math.min(GIVE_BACK_FIRST_MS * 2 ** Math.min(deliveries - 1, 10), GIVE_BACK_MS_MAX) * (0.5 + random);
