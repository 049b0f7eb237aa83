import type { ConsumerConfig, StreamConfig } from 'nats';
import type { WireMessage } from './message.js';

export interface StoredMessage extends WireMessage {
  readonly sequence: number;
}

/** One delivered message that is not answered yet. */
export interface PendingDelivery {
  /** Of its first delivery, among all of the consumer. */
  readonly firstSequence: number;
  deliveries: number;
  /** When it is delivered again; undefined while it waits for a pull request. */
  due: number | undefined;
}

/** A place in the stream, and among the deliveries of a consumer. */
export interface Floor {
  readonly stream: number;
  readonly consumer: number;
}

export interface ConsumerState {
  readonly config: Partial<ConsumerConfig>;
  /** The last sequence of the stream that was delivered. */
  delivered: number;
  /** Up to where it found nothing of its subject; a restart forgets it. */
  passed: number;
  consumerSequence: number;
  floor: Floor;
  readonly pending: Map<number, PendingDelivery>;
}

export interface StreamState {
  readonly config: Partial<StreamConfig>;
  firstSequence: number;
  lastSequence: number;
  readonly messages: Map<number, StoredMessage>;
  readonly consumers: Map<string, ConsumerState>;
  /** The id of the last message, and the sequences of recent ids with when they came; a restart forgets them. */
  lastId: string;
  ids: Map<string, { readonly sequence: number; readonly at: number }>;
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
  ids: new Map(),
});

export const emptyConsumer = (config: Partial<ConsumerConfig>): ConsumerState => ({
  config,
  delivered: 0,
  passed: 0,
  consumerSequence: 0,
  floor: { stream: 0, consumer: 0 },
  pending: new Map(),
});

export const copyOfConsumer = (consumer: ConsumerState): ConsumerState => ({
  ...consumer,
  pending: new Map([...consumer.pending].map(([sequence, pending]) => [sequence, { ...pending }])),
});

export const copyOfStream = (stream: StreamState): StreamState => ({
  ...stream,
  messages: new Map(stream.messages),
  ids: new Map(stream.ids),
  consumers: new Map([...stream.consumers].map(([name, consumer]) => [name, copyOfConsumer(consumer)])),
});

export const copyOfDisk = (disk: Disk): Disk => new Map([...disk].map(([name, stream]) => [name, copyOfStream(stream)]));

/** The end of what the consumer has looked at. */
export const endOf = ({ delivered, passed, consumerSequence }: ConsumerState): Floor => ({
  stream: Math.max(delivered, passed),
  consumer: consumerSequence,
});

function* ahead(stream: StreamState, consumer: ConsumerState): Generator<StoredMessage> {
  for (let sequence = Math.max(endOf(consumer).stream + 1, stream.firstSequence); sequence <= stream.lastSequence; sequence += 1) {
    const message = stream.messages.get(sequence);
    if (message !== undefined && message.subject === consumer.config.filter_subject) yield message;
  }
}

/** The next message that the consumer wants. */
export function nextFor(stream: StreamState, consumer: ConsumerState): StoredMessage | undefined {
  for (const message of ahead(stream, consumer)) return message;
  return undefined;
}

/** How many messages the consumer has still to be given for the first time. */
export const pendingFor = (stream: StreamState, consumer: ConsumerState): number => [...ahead(stream, consumer)].length;

/**
 * Settles a delivery. The floor goes to the end when nothing is open, and else only on from where it is: the first delivery above it
 * must be the one that is settled.
 */
export function advanceFloor(consumer: ConsumerState, sequence: number): void {
  const settled = consumer.pending.get(sequence);
  consumer.pending.delete(sequence);
  if (consumer.pending.size === 0) consumer.floor = endOf(consumer);
  else if (settled?.firstSequence === consumer.floor.consumer + 1) {
    const [next] = [...consumer.pending].filter(([open]) => open > sequence).sort(([a], [b]) => a - b);
    consumer.floor =
      next === undefined
        ? { stream: sequence, consumer: settled.firstSequence }
        : { stream: next[0] - 1, consumer: next[1].firstSequence - 1 };
  }
}
