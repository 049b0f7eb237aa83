import type { SeededRandom } from '@taskmaster/testing';
import { ErrorCode, Events, NatsError, type ConsumerConfig, type Msg, type NatsConnection, type StreamConfig } from 'nats';
import type { Life } from '../life.js';
import type { VirtualTime } from '../virtual-time.js';
import type { WireMessage } from './message.js';
import type { Peer, SimulatedServer } from './server.js';

/** How the network treats the messages of a run. Times in milliseconds, shares from 0 to 1. */
export interface NetworkWeather {
  readonly delayMs: number;
  /** Share of messages that take much longer. */
  readonly slow: number;
  readonly slowMs: number;
  /** Shares of core messages that are lost or come twice. */
  readonly lost: number;
  readonly doubled: number;
}

export interface ConnectionOptions {
  readonly life: Life;
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  readonly server: SimulatedServer;
  readonly weather: () => NetworkWeather;
  /** Different for every connection of a run: inboxes are named after it. */
  readonly serial: number;
}

interface Subscribed {
  readonly subject: string;
  readonly queue: string | undefined;
  readonly callback: (error: Error | null, message: Msg) => void;
}

const RECONNECT_MS = 60;
const REQUEST_TIMEOUT_MS = 5_000;

/** One process's connection, in the shape of the client that the product uses. Each direction keeps the order of its messages. */
export class SimulatedConnection implements Peer {
  readonly name: string;
  private readonly subscribed = new Map<string, Subscribed>();
  private readonly outbox: (() => void)[] = [];
  private readonly listeners: ((status: { readonly type: string }) => void)[] = [];
  private ids = 0;
  private generation: number;
  private isConnected = true;
  private closed = false;
  private toServerAt = 0;
  private toClientAt = 0;

  constructor(private readonly options: ConnectionOptions) {
    this.name = options.life.name;
    this.generation = options.server.generation;
    this.isConnected = options.server.isUp;
    if (!this.isConnected) this.reconnect();
    options.life.onEnd(() => {
      this.closed = true;
      options.server.disconnect(this);
    });
  }

  /** What the product is given: everything that it asks of the client is here, and nothing else. */
  asClient(): NatsConnection {
    return this as unknown as NatsConnection;
  }

  publish(subject: string, payload = '', more: Pick<WireMessage, 'headers' | 'reply'> = {}): void {
    if (this.closed) throw new NatsError('closed', ErrorCode.ConnectionClosed);
    const message = { subject, payload, ...more };
    this.transmit(() => {
      for (let copies = this.copies(); copies > 0; copies -= 1) this.options.server.receive(message, this);
    });
  }

  subscribe(
    subject: string,
    { callback, queue }: { readonly callback: Subscribed['callback']; readonly queue?: string },
  ): { unsubscribe(): void; drain(): Promise<void> } {
    if (this.closed) throw new NatsError('closed', ErrorCode.ConnectionClosed);
    this.ids += 1;
    const id = `${this.name}/${String(this.ids)}`;
    this.subscribed.set(id, { subject, queue, callback });
    // When it is made again, the server is told of what is subscribed to then.
    if (this.isConnected) this.transmit(() => this.options.server.subscribe(subject, { peer: this, id, queue }));
    const unsubscribe = (): void => {
      if (!this.subscribed.delete(id) || !this.isConnected) return;
      this.transmit(() => this.options.server.unsubscribe(subject, id));
    };
    return {
      unsubscribe,
      // What the server sent before it heard of the end still comes.
      drain: async () => {
        if (this.isConnected) await this.ask(() => this.options.server.unsubscribe(subject, id), REQUEST_TIMEOUT_MS).catch(() => undefined);
        unsubscribe();
      },
    };
  }

  request(subject: string, payload: string, { timeout }: { readonly timeout: number }): Promise<Msg> {
    if (this.closed) return Promise.reject(new NatsError('closed', ErrorCode.ConnectionClosed));
    return new Promise((resolve, reject) => {
      this.ids += 1;
      const inbox = `_R.${String(this.options.serial)}.${String(this.ids)}`;
      const forget = this.options.life.timers.after(timeout, () => {
        subscription.unsubscribe();
        reject(new NatsError('timeout', ErrorCode.Timeout));
      });
      const subscription = this.subscribe(inbox, {
        callback: (_error, message) => {
          forget();
          subscription.unsubscribe();
          if (message.headers?.code === 503) reject(new NatsError('no responders', ErrorCode.NoResponders));
          else resolve(message);
        },
      });
      this.publish(subject, payload, { reply: inbox });
    });
  }

  isClosed(): boolean {
    return this.closed;
  }

  drain(): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    this.closed = true;
    this.options.server.disconnect(this);
    return Promise.resolve();
  }

  async *status(): AsyncGenerator<{ readonly type: string }> {
    for (;;) yield await new Promise<{ readonly type: string }>((resolve) => this.listeners.push(resolve));
  }

  /** What the server sends: it travels, and arrives when the process is there. */
  send(to: string, message: WireMessage): void {
    const { generation } = this;
    for (let copies = this.copies(); copies > 0; copies -= 1) {
      this.toClientAt = Math.max(this.toClientAt, this.options.time.now + this.delay());
      this.options.time.after(this.toClientAt - this.options.time.now, () => {
        if (generation !== this.options.server.generation) return;
        this.options.life.deliver(() => this.subscribed.get(to)?.callback(null, this.messageOf(message)));
      });
    }
  }

  /** The connection breaks; what is on its way is lost. */
  disconnected(): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    this.reconnect();
  }

  jetstreamManager({ timeout }: { readonly timeout?: number } = {}): Promise<object> {
    const { server } = this.options;
    const ask = <T>(question: () => T): Promise<T> => this.ask(question, timeout ?? REQUEST_TIMEOUT_MS);
    return Promise.resolve({
      streams: {
        info: (name: string) => ask(() => server.streamInfo(name)),
        add: (config: Partial<StreamConfig>) => ask(() => server.addStream(config)),
        delete: (name: string) => ask(() => server.deleteStream(name)),
        purge: (name: string, { seq }: { readonly seq: number }) => ask(() => server.purgeStream(name, seq)),
        getMessage: (name: string, { seq }: { readonly seq: number }) =>
          ask(() => {
            const { headers } = server.message(name, seq);
            return { seq, header: headers };
          }),
        names: () => pages(() => ask(() => [...server.disk.keys()])),
      },
      consumers: {
        info: (name: string, consumer: string) => ask(() => server.consumerInfo(name, consumer)),
        add: (name: string, config: Partial<ConsumerConfig>) => ask(() => server.addConsumer(name, config)),
      },
    });
  }

  /** A question to the API of streams. Its answer is as of when it reached the server; the effect may outlive the answer. */
  private ask<T>(question: () => T, timeoutMs: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const { life, server, time } = this.options;
      const forget = life.timers.after(timeoutMs, () => reject(new NatsError('timeout', ErrorCode.Timeout)));
      const settle = (end: () => void): void => {
        const { generation } = server;
        this.toClientAt = Math.max(this.toClientAt, time.now + this.delay());
        time.after(this.toClientAt - time.now, () => {
          if (generation !== server.generation) return;
          life.deliver(() => {
            forget();
            end();
          });
        });
      };
      this.transmit(() => {
        try {
          const answer = question();
          settle(() => resolve(answer));
        } catch (error) {
          settle(() => reject(error instanceof Error ? error : new Error(String(error))));
        }
      });
    });
  }

  private transmit(act: () => void): void {
    if (!this.isConnected) {
      this.outbox.push(act);
      return;
    }
    const { time, server } = this.options;
    const { generation } = this;
    this.toServerAt = Math.max(this.toServerAt, time.now + this.delay());
    time.after(this.toServerAt - time.now, () => {
      if (server.isUp && generation === server.generation) act();
    });
  }

  /** Dials again and again. The client forgets what was to be sent whenever it dials; what is sent while it dials leaves in the end. */
  private reconnect(): void {
    const { time, server, life, random } = this.options;
    time.after(RECONNECT_MS * (1 + random.next()), () => {
      if (this.closed || life.isOver) return;
      this.outbox.length = 0;
      if (!server.isUp || life.isPaused) {
        this.reconnect();
        return;
      }
      const { generation } = server;
      time.after(this.delay(), () => this.connected(generation));
    });
  }

  private connected(generation: number): void {
    const { server, life } = this.options;
    if (this.closed || life.isOver) return;
    if (generation !== server.generation) {
      this.reconnect();
      return;
    }
    this.generation = generation;
    this.isConnected = true;
    for (const [id, { subject, queue }] of this.subscribed) this.transmit(() => server.subscribe(subject, { peer: this, id, queue }));
    for (const act of this.outbox.splice(0)) this.transmit(act);
    life.deliver(() => {
      for (const listener of this.listeners.splice(0)) listener({ type: Events.Reconnect });
    });
  }

  private messageOf({ subject, payload, reply, headers }: WireMessage): Msg {
    const message = {
      subject,
      data: payload,
      reply,
      headers,
      json: () => JSON.parse(payload) as unknown,
      string: () => payload,
      respond: (answer: string) => {
        if (reply === undefined || this.closed) return false;
        this.publish(reply, answer);
        return true;
      },
    };
    return message as unknown as Msg;
  }

  private delay(): number {
    const { random, weather } = this.options;
    const { delayMs, slow, slowMs } = weather();
    return random.chance(slow) ? random.next() * slowMs : delayMs * (0.2 + random.next());
  }

  private copies(): number {
    const { random, weather } = this.options;
    const { lost, doubled } = weather();
    if (random.chance(lost)) return 0;
    return random.chance(doubled) ? 2 : 1;
  }
}

async function* pages(list: () => Promise<readonly string[]>): AsyncGenerator<string> {
  for (const name of await list()) yield name;
}
