import type { SeededRandom } from '@taskmaster/testing';
import { NatsError, type ConsumerConfig, type StreamConfig } from 'nats';
import type { Trace } from '../trace.js';
import type { VirtualTime } from '../virtual-time.js';
import {
  advanceFloor,
  copyOfDisk,
  emptyConsumer,
  emptyStream,
  endOf,
  pendingFor,
  type Disk,
  type StoredMessage,
  type StreamState,
} from './jetstream.js';
import { statusHeaders, type WireMessage } from './message.js';
import { ACK_PREFIX, NANOS_PER_MS, PULL_PREFIX, Pulls } from './pulls.js';

/** A client as the server sees it. */
export interface Peer {
  readonly name: string;
  /** Sends it a message; `to` is the subscription that it is for. */
  send(to: string, message: WireMessage): void;
}

/** A subscription. */
export interface Subscriber {
  readonly peer: Peer;
  readonly id: string;
  readonly queue: string | undefined;
}

/** What judges are told. */
export interface BrokerWitness {
  stored(stream: string, message: StoredMessage): void;
  purged(stream: string, removed: readonly StoredMessage[], left: number): void;
  deleted(stream: string): void;
  acknowledged(stream: string, consumer: string, message: StoredMessage): void;
}

/** What the server answers when it refuses. */
export function apiError(code: number, description: string, errCode = 0): NatsError {
  const error = new NatsError(description, String(code));
  error.api_error = { code, description, err_code: errCode };
  return error;
}

/** One server of core messages and JetStream, as far as we use it. */
export class SimulatedServer {
  disk: Disk = new Map();
  private subscribers = new Map<string, Subscriber[]>();
  private readonly pulls = new Pulls(this);
  isUp = true;
  /** Raised by every restart: what was on its way then is lost. */
  generation = 0;

  constructor(
    readonly time: VirtualTime,
    private readonly random: SeededRandom,
    private readonly trace: Trace,
    readonly witness: BrokerWitness,
  ) {}

  stop(): void {
    this.isUp = false;
    this.generation += 1;
    this.subscribers = new Map();
    this.pulls.stop();
  }

  /** Starts with what is on its disk. Deliveries that were open are made again. */
  start(): void {
    this.isUp = true;
    for (const stream of this.disk.values()) {
      stream.lastId = '';
      stream.ids = new Map();
    }
    this.pulls.start();
  }

  copy(): Disk {
    return copyOfDisk(this.disk);
  }

  subscribe(subject: string, subscriber: Subscriber): void {
    const known = this.subscribers.get(subject);
    if (known === undefined) this.subscribers.set(subject, [subscriber]);
    else known.push(subscriber);
  }

  unsubscribe(subject: string, id: string): void {
    const left = (this.subscribers.get(subject) ?? []).filter((subscriber) => subscriber.id !== id);
    if (left.length === 0) this.subscribers.delete(subject);
    else this.subscribers.set(subject, left);
  }

  /** Forgets everything of a connection that is gone. */
  disconnect(peer: Peer): void {
    for (const [subject, subscribers] of this.subscribers)
      this.subscribers.set(
        subject,
        subscribers.filter((subscriber) => subscriber.peer !== peer),
      );
    this.pulls.disconnect(peer);
  }

  receive(message: WireMessage, from: Peer): void {
    if (message.subject.startsWith(ACK_PREFIX)) this.pulls.answer(message);
    else if (message.subject.startsWith(PULL_PREFIX)) this.pulls.ask(message, from);
    else if (!this.store(message)) this.route(message);
  }

  /** Who reads an inbox. */
  reader(inbox: string): Subscriber | undefined {
    return this.subscribers.get(inbox)?.[0];
  }

  route(message: WireMessage): void {
    const { subject } = message;
    const subscribers = [
      ...(this.subscribers.get(subject) ?? []),
      ...(this.subscribers.get(`${subject.slice(0, subject.lastIndexOf('.'))}.*`) ?? []),
    ];
    if (subscribers.length === 0) {
      if (message.reply !== undefined) this.route({ subject: message.reply, payload: '', headers: statusHeaders(503, 'No Responders') });
      return;
    }
    const queues = new Map<string, Subscriber[]>();
    for (const subscriber of subscribers) {
      if (subscriber.queue === undefined) subscriber.peer.send(subscriber.id, message);
      else queues.set(subscriber.queue, [...(queues.get(subscriber.queue) ?? []), subscriber]);
    }
    for (const group of queues.values()) {
      const chosen = this.random.pick(group);
      chosen.peer.send(chosen.id, message);
    }
  }

  /** Whether a stream keeps the subject; then it is kept or refused, and the reply says which. */
  private store(message: WireMessage): boolean {
    const found = [...this.disk].find(([, { config }]) => config.subjects?.some((pattern) => covers(pattern, message.subject)));
    if (found === undefined) return false;
    const [name, stream] = found;
    const id = message.headers?.get('Nats-Msg-Id') ?? '';
    const known = this.knownId(stream, id);
    const error = refusalOf(message, name, stream, known !== undefined);
    if (error !== undefined) {
      this.trace.note('nats', `refuses ${name}: ${error.description.split(':')[0] ?? ''}`);
      this.answer(message, { stream: name, seq: 0, error });
      return true;
    }
    if (known !== undefined) {
      this.trace.note('nats', `has ${id} in ${name}`);
      this.answer(message, { stream: name, seq: known, duplicate: true });
      return true;
    }
    stream.lastSequence += 1;
    stream.lastId = id;
    if (id !== '') stream.ids.set(id, { sequence: stream.lastSequence, at: this.time.now });
    const { reply: _reply, ...kept } = message;
    const stored: StoredMessage = { ...kept, sequence: stream.lastSequence };
    stream.messages.set(stored.sequence, stored);
    this.witness.stored(name, stored);
    this.answer(message, { stream: name, seq: stored.sequence });
    // A message of another subject wakes no consumer.
    for (const [consumerName, { config }] of stream.consumers)
      if (config.filter_subject === message.subject) this.pulls.pump(name, consumerName);
    return true;
  }

  /** The sequence of a message with that id, if it came within the window. */
  private knownId({ config, ids }: StreamState, id: string): number | undefined {
    const known = ids.get(id);
    const windowMs = (config.duplicate_window ?? 0) / NANOS_PER_MS;
    if (known !== undefined && this.time.now - known.at < windowMs) return known.sequence;
    ids.delete(id);
    return undefined;
  }

  private answer({ reply }: WireMessage, body: object): void {
    if (reply !== undefined) this.route({ subject: reply, payload: JSON.stringify(body) });
  }

  // The API of streams and consumers, as the manager asks it.

  streamInfo(name: string): object {
    const stream = this.streamOf(name);
    const { firstSequence, lastSequence, messages } = stream;
    const isNew = firstSequence === 1 && lastSequence === 0;
    return { config: stream.config, state: { messages: messages.size, first_seq: isNew ? 0 : firstSequence, last_seq: lastSequence } };
  }

  addStream(config: Partial<StreamConfig>): object {
    const name = config.name ?? '';
    const clash = [...this.disk.values()].some((stream) => overlap(stream.config.subjects ?? [], config.subjects ?? []));
    if (!this.disk.has(name)) {
      if (clash) throw apiError(400, 'subjects overlap with an existing stream', 10065);
      this.disk.set(name, emptyStream(config));
      this.trace.note('nats', `makes ${name}`);
    }
    return this.streamInfo(name);
  }

  deleteStream(name: string): boolean {
    const stream = this.streamOf(name);
    this.pulls.deleted(name, stream);
    this.trace.note('nats', `deletes ${name}`);
    this.witness.deleted(name);
    return this.disk.delete(name);
  }

  purgeStream(name: string, keepFrom: number): void {
    const stream = this.streamOf(name);
    const removed = [...stream.messages.values()].filter(({ sequence }) => sequence < keepFrom);
    for (const { sequence } of removed) stream.messages.delete(sequence);
    stream.firstSequence = Math.max(stream.firstSequence, keepFrom);
    stream.lastSequence = Math.max(stream.lastSequence, keepFrom - 1);
    this.witness.purged(name, removed, stream.messages.size);
  }

  /** One message is gone. A server that finds that out settles it for its consumers. */
  lose(name: string, sequence: number): void {
    const stream = this.streamOf(name);
    stream.messages.delete(sequence);
    for (const [consumerName, consumer] of stream.consumers) {
      if (consumer.pending.has(sequence)) advanceFloor(consumer, sequence);
      this.pulls.pump(name, consumerName);
    }
  }

  message(name: string, sequence: number): StoredMessage {
    const message = this.streamOf(name).messages.get(sequence);
    if (message === undefined) throw apiError(404, 'no message found', 10037);
    return message;
  }

  addConsumer(name: string, config: Partial<ConsumerConfig>): object {
    const stream = this.streamOf(name);
    const consumerName = config.durable_name ?? '';
    if (!stream.consumers.has(consumerName)) stream.consumers.set(consumerName, emptyConsumer(config));
    return this.consumerInfo(name, consumerName);
  }

  consumerInfo(name: string, consumerName: string): object {
    const stream = this.streamOf(name);
    const consumer = stream.consumers.get(consumerName);
    if (consumer === undefined) throw apiError(404, 'consumer not found', 10014);
    return {
      config: consumer.config,
      delivered: { stream_seq: endOf(consumer).stream, consumer_seq: consumer.consumerSequence },
      ack_floor: { stream_seq: consumer.floor.stream, consumer_seq: consumer.floor.consumer },
      num_pending: pendingFor(stream, consumer),
      num_ack_pending: consumer.pending.size,
      num_waiting: this.pulls.waitingFor(name, consumerName),
    };
  }

  private streamOf(name: string): StreamState {
    const stream = this.disk.get(name);
    if (stream === undefined) throw apiError(404, 'stream not found', 10059);
    return stream;
  }
}

interface Refusal {
  readonly code: number;
  readonly err_code: number;
  readonly description: string;
}

const refusal = (errCode: number, description: string): Refusal => ({ code: 400, err_code: errCode, description });

/** Why a publish that expects something of the stream is refused. What is kept already is refused for the wrong stream only. */
function refusalOf({ headers }: WireMessage, name: string, { lastSequence, lastId }: StreamState, isKnown: boolean): Refusal | undefined {
  const differs = (header: string, found: string): boolean => headers?.has(header) === true && headers.get(header) !== found;
  if (differs('Nats-Expected-Stream', name)) return refusal(10060, 'expected stream does not match');
  if (isKnown) return undefined;
  if (differs('Nats-Expected-Last-Sequence', String(lastSequence))) return refusal(10071, `wrong last sequence: ${String(lastSequence)}`);
  if (differs('Nats-Expected-Last-Msg-Id', lastId)) return refusal(10070, `wrong last msg ID: ${lastId}`);
  return undefined;
}

const covers = (pattern: string, subject: string): boolean =>
  pattern.endsWith('>') ? subject.startsWith(pattern.slice(0, -1)) : pattern === subject;

const overlap = (some: readonly string[], others: readonly string[]): boolean =>
  some.some((one) => others.some((other) => covers(one, other) || covers(other, one)));
