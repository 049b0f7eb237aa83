import { workStreamOf, type NoticeHandler } from '@taskmaster/contracts';
import type { Msg, NatsConnection } from 'nats';
import { inboxFor } from './broker.js';
import type { NoticeWork } from './notice-work.js';
import { systemTimers, type Timers } from './timers.js';
import { existingEpochs } from './topology.js';
import { WorkMessage } from './work-message.js';

/** How soon a stream that is gone is looked for again. */
const LOOK_AGAIN_MS = 100;
const API_TIMEOUT_MS = 1_000;
const PULL_EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 1_000;
/** Silence after which the pull is taken for dead: two heartbeats and a half. */
const SILENCE_MS_MAX = 2_500;
const PULL_MESSAGES_MAX = 64;
const NANOS_PER_MS = 1_000_000;
const PULL_REQUEST_PREFIX = '$JS.API.CONSUMER.MSG.NEXT';
const HEADER_PENDING = 'Nats-Pending-Messages';

export interface NoticeConsumerOptions {
  readonly name: string;
  readonly handler: NoticeHandler;
  readonly work: NoticeWork;
  readonly timers?: Timers;
}

/**
 * Pulls one durable consumer's messages from the stream of the current epoch, only as many as there is room for, and follows the
 * epochs: whatever ends a pull, the current stream is looked for and pulled from.
 */
export class NoticeConsumer {
  #isStopped = false;
  #endPull: (() => void) | undefined;
  #endPause: (() => void) | undefined;
  #running: Promise<void> | undefined;
  #stream: string | undefined;

  constructor(
    private readonly connection: NatsConnection,
    private readonly options: NoticeConsumerOptions,
  ) {}

  /** The stream it pulls from now; undefined while it looks for one. */
  get stream(): string | undefined {
    return this.#stream;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Pulls anew, as after a reconnect: the server may have forgotten the waiting request. */
  restart(): void {
    this.#endPull?.();
    this.#endPause?.();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.restart();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped && !this.connection.isClosed()) {
      try {
        this.#stream = await this.#findStream();
        if (this.#stream !== undefined && !this.#isStopped) await this.#pullFrom(this.#stream);
      } catch {
        // Every failure means the same: look again.
      }
      this.#stream = undefined;
      if (!this.#isStopped) await this.#pause();
    }
  }

  /** The newest epoch's stream, once this consumer exists on it. */
  async #findStream(): Promise<string | undefined> {
    const manager = await this.connection.jetstreamManager({ checkAPI: false, timeout: API_TIMEOUT_MS });
    const epoch = (await existingEpochs(manager)).at(-1);
    if (epoch === undefined) return undefined;
    const stream = workStreamOf(epoch);
    await manager.consumers.info(stream, this.options.name);
    return stream;
  }

  /** Resolves when this pull cannot go on. */
  #pullFrom(stream: string): Promise<void> {
    return new Promise((resolve) => {
      const pull = new Pull(this.connection, stream, this.options, () => {
        this.#endPull = undefined;
        resolve();
      });
      this.#endPull = () => pull.end();
      pull.start();
    });
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        forget();
        this.#endPause = undefined;
        resolve();
      };
      const forget = (this.options.timers ?? systemTimers).after(LOOK_AGAIN_MS, end);
      this.#endPause = end;
    });
  }
}

/** Pull requests on one inbox, with as many messages asked for as there is room, until something ends it. */
class Pull {
  readonly #inbox: string;
  readonly #subject: string;
  #asked = 0;
  readonly #timers: Timers;
  #heardAt: number;
  #isEnded = false;
  #stop: () => void = () => undefined;

  constructor(
    private readonly connection: NatsConnection,
    stream: string,
    private readonly options: NoticeConsumerOptions,
    private readonly onEnd: () => void,
  ) {
    this.#timers = options.timers ?? systemTimers;
    this.#heardAt = this.#timers.now();
    this.#inbox = inboxFor(connection);
    this.#subject = `${PULL_REQUEST_PREFIX}.${stream}.${options.name}`;
  }

  start(): void {
    const subscription = this.connection.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error !== null) this.end();
        else this.#onMessage(message);
      },
    });
    const endWatch = this.#timers.every(HEARTBEAT_MS / 2, () => {
      if (this.#asked === 0) this.#heardAt = this.#timers.now();
      else if (this.#timers.now() - this.#heardAt > SILENCE_MS_MAX) this.end();
      this.#ask();
    });
    const forget = this.options.work.onRoom(() => this.#ask());
    this.#stop = () => {
      endWatch();
      forget();
      if (!this.connection.isClosed()) subscription.unsubscribe();
    };
    this.#ask();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#stop();
    this.onEnd();
  }

  /** Asks for what there is room for, once half of what was asked for has come. */
  #ask(): void {
    if (this.#isEnded || this.connection.isClosed()) return;
    const room = Math.min(PULL_MESSAGES_MAX, this.options.work.room);
    const batch = room - this.#asked;
    if (batch <= 0 || this.#asked > room / 2) return;
    if (this.#asked === 0) this.#heardAt = this.#timers.now();
    this.#asked += batch;
    const request = { batch, expires: PULL_EXPIRES_MS * NANOS_PER_MS, idle_heartbeat: HEARTBEAT_MS * NANOS_PER_MS };
    this.connection.publish(this.#subject, JSON.stringify(request), { reply: this.#inbox });
  }

  #onMessage(message: Msg): void {
    if (this.#isEnded) return;
    this.#heardAt = this.#timers.now();
    if (message.subject === this.#inbox) return this.#onStatus(message);
    this.#asked = Math.max(0, this.#asked - 1);
    this.options.work.take({ consumer: this.options.name, handler: this.options.handler, message: new WorkMessage(message) });
    this.#ask();
  }

  #onStatus({ headers }: Msg): void {
    const code = headers?.code;
    if (code === 100) return;
    // 404, 408: the request ran out. Anything else: the consumer, the stream or its leader is gone.
    if (code !== 404 && code !== 408) return this.end();
    const left = headers?.get(HEADER_PENDING);
    this.#asked = left ? Math.max(0, this.#asked - Number(left)) : 0;
    this.#ask();
  }
}
