import {
  CONSUMERS,
  Fault,
  kindGroupOf,
  QUEUE_GROUP_STATE,
  type Notice,
  type NoticeHandler,
  type NoticeOutcome,
} from '@taskmaster/contracts';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import type { Msg, NatsConnection, Subscription } from 'nats';
import { isObservable, lastValueFrom } from 'rxjs';
import { onReconnect } from './broker.js';
import { NoticeConsumer } from './notice-consumer.js';
import { NoticeWork } from './notice-work.js';
import { Outbox } from './outbox.js';
import { systemTimers, type Timers } from './timers.js';

export interface NatsStrategyOptions {
  readonly connection: NatsConnection;
  /** Notices of this process in work at once. */
  readonly maxConcurrent?: number;
  /** Deliveries after which a notice that still fails is handed to `onPoison`. */
  readonly deliveriesMax?: number;
  /** Records the failure of a notice that cannot be done, as a FailStep; throws when that failed too. Needed to consume notices. */
  readonly onPoison?: (notice: Notice, error: unknown) => Promise<void>;
  /** Told of every handler that threw, for the log. */
  readonly onFailure?: (what: string, error: unknown) => void;
  /** The queue group of request/reply. */
  readonly queue?: string;
  readonly timers?: Timers;
}

export const NOTICES_CONCURRENT_DEFAULT = 64;
export const DELIVERIES_DEFAULT_MAX = 5;

type Handler = MessageHandler<unknown, unknown, unknown>;

/**
 * The broker as Nest sees it. `@MessagePattern(subject)` answers requests in a queue group; `@EventPattern<string>(consumer)` is given
 * each notice of a durable consumer and returns what became of it. Closing finishes what is in work and closes the connection.
 */
export class NatsStrategy extends Server implements CustomTransportStrategy {
  /** Else Nest would log and swallow what a notice handler throws. */
  override readonly propagatesEventHandlerErrors = true;
  readonly #consumers: NoticeConsumer[] = [];
  readonly #handlers = new Map<string, NoticeHandler>();
  readonly #subscriptions: Subscription[] = [];
  readonly #connection: NatsConnection;
  readonly #work: NoticeWork;
  #answering = 0;
  #onAnswered: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(private readonly options: NatsStrategyOptions) {
    super();
    this.#connection = options.connection;
    const { onFailure } = options;
    this.#work = new NoticeWork(options.connection, {
      maxConcurrent: options.maxConcurrent ?? NOTICES_CONCURRENT_DEFAULT,
      deliveriesMax: options.deliveriesMax ?? DELIVERIES_DEFAULT_MAX,
      onPoison: options.onPoison ?? rejectPoison,
      timers: options.timers ?? systemTimers,
      ...(onFailure === undefined ? {} : { onFailure: (notice, error) => onFailure(`${notice.kind} ${notice.eventId}`, error) }),
    });
  }

  listen(callback: (error?: unknown) => void): void {
    try {
      for (const [pattern, handler] of this.messageHandlers) {
        if (handler.isEventHandler === true) this.#consume(pattern, handler);
        else this.#answer(pattern, handler);
      }
      void onReconnect(this.#connection, () => {
        for (const consumer of this.#consumers) consumer.restart();
      });
      callback();
    } catch (error) {
      callback(error);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** There are no events of ours; the connection's own are on `unwrap().status()`. */
  on(): never {
    throw new Error('this transport has no events; use the status of the connection');
  }

  unwrap<T>(): T {
    return this.#connection as T;
  }

  /** Begins work whose message is still on its way, or may never come. @returns whether it does */
  begin(notice: Notice): boolean {
    const group = kindGroupOf(notice.kind);
    const handler = this.#handlers.get(CONSUMERS.find((consumer) => consumer.group === group)?.name ?? '');
    return handler !== undefined && this.#work.begin(notice, handler);
  }

  /** The consumers and the stream that each pulls from now. */
  get pulling(): readonly (string | undefined)[] {
    return this.#consumers.map(({ stream }) => stream);
  }

  #consume(name: string, handler: Handler): void {
    if (!CONSUMERS.some((consumer) => consumer.name === name)) throw new Error(`there is no consumer named ${name}`);
    if (this.options.onPoison === undefined) throw new Error(`${name} consumes notices, so onPoison has to be given`);
    const handle: NoticeHandler = async (notice, context) => outcomeOf(await settle(handler(notice, context)));
    this.#handlers.set(name, handle);
    const consumer = new NoticeConsumer(this.#connection, {
      name,
      work: this.#work,
      timers: this.options.timers ?? systemTimers,
      handler: handle,
    });
    this.#consumers.push(consumer);
    consumer.start();
  }

  #answer(subject: string, handler: Handler): void {
    const callback = (error: Error | null, message: Msg): void => {
      if (error === null) void this.#reply(subject, handler, message);
      else this.options.onFailure?.(subject, error);
    };
    this.#subscriptions.push(this.#connection.subscribe(subject, { queue: this.options.queue ?? QUEUE_GROUP_STATE, callback }));
  }

  /** A fault names a class or a code, never a message: that could hold anything. */
  async #reply(subject: string, handler: Handler, message: Msg): Promise<void> {
    this.#answering += 1;
    try {
      message.respond(JSON.stringify(await settle(handler(message.json(), message))));
    } catch (error) {
      this.options.onFailure?.(subject, error);
      if (!this.#connection.isClosed()) message.respond(JSON.stringify({ fault: faultOf(error) }));
    } finally {
      this.#answering -= 1;
      if (this.#answering === 0) this.#onAnswered?.();
    }
  }

  async #close(): Promise<void> {
    const drained = this.#work.drain();
    await Promise.all(this.#consumers.map((consumer) => consumer.stop()));
    await Promise.all([drained, ...this.#subscriptions.map((subscription) => subscription.drain())]);
    if (this.#answering > 0) {
      await new Promise<void>((resolve) => {
        this.#onAnswered = resolve;
      });
    }
    Outbox.of(this.#connection)?.release();
    if (!this.#connection.isClosed()) await this.#connection.drain();
  }
}

const rejectPoison = (): Promise<never> => Promise.reject(new Error('nobody handles poison notices'));

/** What Nest's proxy makes of a handler's promise, as a value again. */
async function settle(returned: unknown): Promise<unknown> {
  const value = await returned;
  return isObservable(value) ? lastValueFrom(value) : value;
}

function outcomeOf(value: unknown): NoticeOutcome {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  if (kind !== 'answered' && kind !== 'later') throw new TypeError('a notice handler must return a NoticeOutcome');
  return value as NoticeOutcome;
}

function faultOf(error: unknown): string {
  if (error instanceof Fault) return error.code;
  if (error instanceof SyntaxError) return 'malformed-request';
  return error instanceof Error ? error.name : 'failed';
}
