import { SUBJECT_WORK_ALL, subjectOfWork } from '@taskmaster/contracts';
import {
  AckPolicy,
  createInbox,
  DeliverPolicy,
  DiscardPolicy,
  headers,
  nanos,
  NatsError,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type JetStreamManager,
  type Msg,
  type NatsConnection,
  type StreamConfig,
} from 'nats';
import type { BrokerUnderTest } from './broker-under-test.js';

/** How long a message may be unanswered where that matters. */
export const ACK_WAIT_MS = 200;
export const ACK_WAIT_LONG_MS = 60_000;
export const DUPLICATE_WINDOW_MS = 100;
const API_TIMEOUT_MS = 1_000;
const PULL_PREFIX = '$JS.API.CONSUMER.MSG.NEXT';

/** A stream as the product makes it. */
export const streamConfig = (name: string, subject: string): Partial<StreamConfig> => ({
  name,
  subjects: [subject],
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.New,
  storage: StorageType.File,
  num_replicas: 1,
  max_bytes: 16 * 1024 * 1024,
  max_age: 0,
  max_msgs: -1,
  max_msgs_per_subject: -1,
  duplicate_window: nanos(DUPLICATE_WINDOW_MS),
});

/** A consumer as the product makes it, but that nothing is delivered again while the machine is slow. */
export const consumerConfig = (name: string, more: Partial<ConsumerConfig> = {}): Partial<ConsumerConfig> => ({
  durable_name: name,
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  replay_policy: ReplayPolicy.Instant,
  filter_subject: subjectOfWork('command'),
  ack_wait: nanos(ACK_WAIT_LONG_MS),
  max_deliver: -1,
  max_ack_pending: 64,
  ...more,
});

/** What a publish with a reply is answered. */
export interface PublishAnswer {
  /** Of a status instead of an answer: nobody keeps the subject. */
  readonly status?: number;
  readonly stream?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly code: number; readonly err_code?: number };
}

export interface PullOptions {
  readonly batch?: number;
  readonly expiresMs?: number;
  readonly heartbeatMs?: number;
  readonly connection?: NatsConnection;
}

/** One inbox of pull requests and all that came there. */
export interface Pulling {
  readonly messages: readonly Msg[];
  readonly statuses: readonly Msg[];
  /** Asks again on the same inbox. */
  ask(options?: PullOptions): void;
  /** Waits until so many messages came in all. @returns them */
  came(count: number): Promise<readonly Msg[]>;
  /** Waits for the first status of that code. */
  told(code: number): Promise<Msg>;
  unsubscribe(): void;
}

export interface Delivery {
  readonly stream: string;
  readonly consumer: string;
  readonly deliveries: number;
  readonly sequence: number;
  readonly consumerSequence: number;
  readonly pending: number;
}

/** What the reply subject of a delivery tells: `$JS.ACK.<stream>.<consumer>.…`, or with a domain and an account before the stream. */
export function deliveryOf(message: Msg): Delivery {
  const tokens = (message.reply ?? '').split('.');
  const [stream = '', consumer = '', ...numbers] = tokens.slice(tokens.length > 9 ? 4 : 2);
  const [deliveries = 0, sequence = 0, consumerSequence = 0, , pending = 0] = numbers.map(Number);
  return { stream, consumer, deliveries, sequence, consumerSequence, pending };
}

export const sequencesOf = (messages: readonly Msg[]): readonly number[] => messages.map((message) => deliveryOf(message).sequence);
export const countsOf = (messages: readonly Msg[]): readonly (readonly number[])[] =>
  messages.map((message) => [deliveryOf(message).sequence, deliveryOf(message).deliveries]);

/** The product's questions to a broker, asked the way it asks them. */
export class Questions {
  constructor(
    readonly broker: BrokerUnderTest,
    private readonly manager: JetStreamManager,
  ) {}

  static async to(broker: BrokerUnderTest): Promise<Questions> {
    return new Questions(broker, await broker.settle(broker.connection.jetstreamManager({ checkAPI: false, timeout: API_TIMEOUT_MS })));
  }

  /** Asks the API of streams. */
  ask<T>(question: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    return this.broker.settle(question(this.manager));
  }

  /** Codes with which the API refuses. */
  async refusal(question: (manager: JetStreamManager) => Promise<unknown>): Promise<readonly [number, number] | 'none'> {
    try {
      await this.ask(question);
      return 'none';
    } catch (error) {
      if (error instanceof NatsError && error.api_error !== undefined) return [error.api_error.code, error.api_error.err_code ?? 0];
      throw error;
    }
  }

  /** Makes a stream as the product does. Some newer servers are still removing the files of one of that name. */
  async makeStream(name: string, subject = SUBJECT_WORK_ALL): Promise<void> {
    await this.broker.eventually(() => this.ask((manager) => manager.streams.add(streamConfig(name, subject))), `the stream ${name}`);
  }

  async names(): Promise<readonly string[]> {
    return this.ask(async (manager) => {
      const found: string[] = [];
      for await (const name of manager.streams.names()) found.push(name);
      return found.sort();
    });
  }

  async deleteAll(): Promise<void> {
    for (const name of await this.names()) await this.ask((manager) => manager.streams.delete(name));
  }

  async state(stream: string): Promise<{ readonly messages: number; readonly first: number; readonly last: number }> {
    const { state } = await this.ask((manager) => manager.streams.info(stream));
    return { messages: state.messages, first: state.first_seq, last: state.last_seq };
  }

  /** What the product reads of a consumer's state. */
  async consumer(stream: string, name: string) {
    const info = await this.ask((manager) => manager.consumers.info(stream, name));
    return {
      delivered: info.delivered.stream_seq,
      floor: info.ack_floor.stream_seq,
      pending: info.num_pending,
      unanswered: info.num_ack_pending,
    };
  }

  /** Sends a message whose answer is not waited for yet. */
  send(subject: string, head: Readonly<Record<string, string>> = {}, connection = this.broker.connection): () => Promise<PublishAnswer> {
    const inbox = createInbox();
    let answer: PublishAnswer | undefined;
    const subscription = connection.subscribe(inbox, {
      callback: (_error, message) => {
        subscription.unsubscribe();
        const status = message.headers?.code;
        answer = status ? { status } : message.json<PublishAnswer>();
      },
    });
    const set = headers();
    for (const [name, value] of Object.entries(head)) set.set(name, value);
    connection.publish(subject, '{"notices":[]}', { headers: set, reply: inbox });
    return () => this.broker.eventually(() => answer, `an answer to what was published on ${subject}`);
  }

  publish(subject: string, head: Readonly<Record<string, string>> = {}, connection = this.broker.connection): Promise<PublishAnswer> {
    return this.send(subject, head, connection)();
  }

  /** Publishes so many of the same, one after the other. */
  async fill(subject: string, count: number): Promise<void> {
    for (let done = 0; done < count; done += 1) await this.publish(subject);
  }

  pull(stream: string, consumer: string, first: PullOptions = {}): Pulling {
    const { connection = this.broker.connection } = first;
    const inbox = createInbox();
    const messages: Msg[] = [];
    const statuses: Msg[] = [];
    const subscription = connection.subscribe(inbox, {
      callback: (_error, message) => void (message.subject === inbox ? statuses : messages).push(message),
    });
    const ask = ({ batch = 1, expiresMs = 30_000, heartbeatMs = 1_000 }: PullOptions = {}): void =>
      connection.publish(
        `${PULL_PREFIX}.${stream}.${consumer}`,
        JSON.stringify({ batch, expires: nanos(expiresMs), idle_heartbeat: nanos(heartbeatMs) }),
        { reply: inbox },
      );
    ask(first);
    return {
      ...{ messages, statuses, ask },
      came: (count) => this.broker.eventually(() => (messages.length >= count ? messages : undefined), `${String(count)} messages`),
      told: (code) => this.broker.eventually(() => statuses.find(({ headers: head }) => head?.code === code), `a status ${String(code)}`),
      unsubscribe: () => subscription.unsubscribe(),
    };
  }

  /** Answers a delivery, and waits until the broker has taken that; the product does not wait. */
  async answer(message: Msg | undefined, text: string, connection = this.broker.connection): Promise<void> {
    const inbox = createInbox();
    let isTaken = false;
    const subscription = connection.subscribe(inbox, { callback: () => (isTaken = true) });
    connection.publish(message?.reply ?? '', text, { reply: inbox });
    await this.broker.eventually(() => isTaken, `the broker takes ${text}`);
    subscription.unsubscribe();
  }

  /** Waits until so many requests wait for the messages of a consumer. */
  async waiting(stream: string, name: string, count: number): Promise<void> {
    const isSo = async (): Promise<boolean> => (await this.ask((manager) => manager.consumers.info(stream, name))).num_waiting === count;
    await this.broker.eventually(isSo, `${String(count)} requests wait`);
  }

  /** Lets so much time pass. */
  async pass(ms: number): Promise<void> {
    const { timers, eventually } = this.broker;
    const end = timers.now() + ms;
    await eventually(() => timers.now() >= end, `${String(ms)} ms`);
  }

  /** Waits until the broker has had all that this connection sent before. */
  async reached(connection = this.broker.connection): Promise<void> {
    const manager = await this.broker.settle(connection.jetstreamManager({ checkAPI: false, timeout: API_TIMEOUT_MS }));
    await this.broker.settle(manager.streams.names().next());
  }
}
