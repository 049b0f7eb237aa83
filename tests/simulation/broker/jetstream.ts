import type { ConsumerConfig, StreamConfig } from 'nats';
import type { WireMessage } from './message.js';

export interface StoredMessage extends WireMessage {
  readonly sequence: number;
}

/** One delivered message that is not answered yet. */
export interface PendingDelivery {
  deliveries: number;
  /** When it is delivered again; undefined while it waits for a pull request. */
  due: number | undefined;
}

export interface ConsumerState {
  readonly config: Partial<ConsumerConfig>;
  /** The last sequence of the stream that was delivered. */
  delivered: number;
  consumerSequence: number;
  readonly pending: Map<number, PendingDelivery>;
}

export interface StreamState {
  readonly config: Partial<StreamConfig>;
  firstSequence: number;
  lastSequence: number;
  readonly messages: Map<number, StoredMessage>;
  readonly consumers: Map<string, ConsumerState>;
  /** The id of the last message, which a restart forgets. */
  lastId: string;
}

/** Everything that the server keeps on its disk. */
export type Disk = Map<string, StreamState>;

export const emptyStream = (config: Partial<StreamConfig>): StreamState => ({
  config,
  firstSequence: 1,
  lastSequence: 0,
  messages: new Map(),
  consumers: new Map(),
  lastId: '',
});

export const emptyConsumer = (config: Partial<ConsumerConfig>): ConsumerState => ({
  config,
  delivered: 0,
  consumerSequence: 0,
  pending: new Map(),
});

export const copyOfConsumer = (consumer: ConsumerState): ConsumerState => ({
  ...consumer,
  pending: new Map([...consumer.pending].map(([sequence, pending]) => [sequence, { ...pending }])),
});

export const copyOfStream = (stream: StreamState): StreamState => ({
  ...stream,
  messages: new Map(stream.messages),
  consumers: new Map([...stream.consumers].map(([name, consumer]) => [name, copyOfConsumer(consumer)])),
});

export const copyOfDisk = (disk: Disk): Disk => new Map([...disk].map(([name, stream]) => [name, copyOfStream(stream)]));

/** The next message after the last delivered that the consumer wants. */
export function nextFor(stream: StreamState, consumer: ConsumerState): StoredMessage | undefined {
  for (let sequence = Math.max(consumer.delivered + 1, stream.firstSequence); sequence <= stream.lastSequence; sequence += 1) {
    const message = stream.messages.get(sequence);
    if (message?.subject === consumer.config.filter_subject) return message;
  }
  return undefined;
}

/** How many messages the consumer has still to be given for the first time. */
export function pendingFor(stream: StreamState, consumer: ConsumerState): number {
  let count = 0;
  for (let sequence = Math.max(consumer.delivered + 1, stream.firstSequence); sequence <= stream.lastSequence; sequence += 1)
    if (stream.messages.get(sequence)?.subject === consumer.config.filter_subject) count += 1;
  return count;
}

export const ackFloor = (consumer: ConsumerState): number =>
  consumer.pending.size === 0 ? consumer.delivered : Math.min(...consumer.pending.keys()) - 1;
