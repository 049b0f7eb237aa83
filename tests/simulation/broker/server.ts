import type { SeededRandom } from '@taskmaster/testing';
import { NatsError, type ConsumerConfig, type StreamConfig } from 'nats';
import type { Trace } from '../trace.js';
import { EPOCH_MS, type VirtualTime } from '../virtual-time.js';
import {
  copyOfDisk,
  emptyConsumer,
  emptyStream,
  nextFor,
  pendingFor,
  type ConsumerState,
  type Disk,
  type StoredMessage,
  type StreamState,
} from './jetstream.js';
import { statusHeaders, type WireMessage } from './message.js';

/** A client as the server sees it. */
export interface Peer {
  readonly name: string;
  /** Sends it a message; `to` is the subscription that it is for. */
  send(to: string, message: WireMessage): void;
}

interface Subscriber {
  readonly peer: Peer;
  readonly id: string;
  readonly queue: string | undefined;
}

interface PullRequest {
  readonly peer: Peer;
  readonly inbox: string;
  readonly heartbeatMs: number;
  readonly expiresAt: number;
  left: number;
  sentAt: number;
}

/** What judges are told. */
export interface BrokerWitness {
  stored(stream: string, message: StoredMessage): void;
  purged(stream: string, removed: readonly StoredMessage[], left: number): void;
  deleted(stream: string): void;
  acknowledged(stream: string, consumer: string, message: StoredMessage): void;
}

const NANOS_PER_MS = 1_000_000;
const ACK_PREFIX = '$JS.ACK.';
const PULL_PREFIX = '$JS.API.CONSUMER.MSG.NEXT.';

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
  private pulls = new Map<string, PullRequest[]>();
  isUp = true;
  /** Raised by every restart: what was on its way then is lost. */
  generation = 0;

  constructor(
    private readonly time: VirtualTime,
    private readonly random: SeededRandom,
    private readonly trace: Trace,
    private readonly witness: BrokerWitness,
  ) {}

  stop(): void {
    this.isUp = false;
    this.generation += 1;
    this.subscribers = new Map();
    this.pulls = new Map();
  }

  /** Starts with what is on its disk. Deliveries that were open are made again. */
  start(): void {
    this.isUp = true;
    for (const stream of this.disk.values()) stream.lastId = '';
    for (const [name, stream] of this.disk)
      for (const [consumerName, consumer] of stream.consumers)
        for (const sequence of consumer.pending.keys()) this.expireLater(name, consumerName, sequence, ackWaitOf(consumer));
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
    for (const [key, pulls] of this.pulls)
      this.pulls.set(
        key,
        pulls.filter((pull) => pull.peer !== peer),
      );
  }

  receive(message: WireMessage, from: Peer): void {
    if (message.subject.startsWith(ACK_PREFIX)) this.onAck(message);
    else if (message.subject.startsWith(PULL_PREFIX)) this.onPull(message, from);
    else if (!this.store(message)) this.route(message);
  }

  private route(message: WireMessage): void {
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
    const error = refusalOf(message, name, stream);
    if (error !== undefined) {
      this.trace.note('nats', `refuses ${name}: ${error.description.split(':')[0] ?? ''}`);
      this.answer(message, { stream: name, seq: 0, error });
      return true;
    }
    stream.lastSequence += 1;
    stream.lastId = message.headers?.get('Nats-Msg-Id') ?? '';
    const { reply: _reply, ...kept } = message;
    const stored: StoredMessage = { ...kept, sequence: stream.lastSequence };
    stream.messages.set(stored.sequence, stored);
    this.witness.stored(name, stored);
    this.answer(message, { stream: name, seq: stored.sequence });
    for (const [consumerName] of stream.consumers) this.pump(name, consumerName);
    return true;
  }

  private answer({ reply }: WireMessage, body: object): void {
    if (reply !== undefined) this.route({ subject: reply, payload: JSON.stringify(body) });
  }

  private onAck({ subject, payload }: WireMessage): void {
    const [, , name = '', consumerName = '', , sequenceText = ''] = subject.split('.');
    const sequence = Number(sequenceText);
    const consumer = this.disk.get(name)?.consumers.get(consumerName);
    if (consumer?.pending.has(sequence) !== true) return;
    if (payload === '+WPI') this.expireLater(name, consumerName, sequence, ackWaitOf(consumer));
    else if (payload.startsWith('-NAK')) {
      const { delay } = JSON.parse(payload.slice('-NAK '.length)) as { readonly delay: number };
      this.expireLater(name, consumerName, sequence, delay / NANOS_PER_MS);
    } else this.settle({ name, consumerName, consumer }, sequence, payload === '+ACK');
  }

  private settle(
    of: { readonly name: string; readonly consumerName: string; readonly consumer: ConsumerState },
    sequence: number,
    isAck: boolean,
  ): void {
    of.consumer.pending.delete(sequence);
    const message = this.disk.get(of.name)?.messages.get(sequence);
    if (message !== undefined && isAck) this.witness.acknowledged(of.name, of.consumerName, message);
    this.pump(of.name, of.consumerName);
  }

  private onPull({ subject, payload, reply }: WireMessage, peer: Peer): void {
    const [name = '', consumerName = ''] = subject.slice(PULL_PREFIX.length).split('.');
    if (reply === undefined) return;
    if (this.disk.get(name)?.consumers.has(consumerName) !== true) {
      this.route({ subject: reply, payload: '', headers: statusHeaders(503, 'No Responders') });
      return;
    }
    const { batch, expires, idle_heartbeat } = JSON.parse(payload) as { batch: number; expires: number; idle_heartbeat: number };
    const pull: PullRequest = {
      ...{ peer, inbox: reply, left: batch, sentAt: this.time.now },
      ...{ heartbeatMs: idle_heartbeat / NANOS_PER_MS, expiresAt: this.time.now + expires / NANOS_PER_MS },
    };
    const key = `${name} ${consumerName}`;
    this.pulls.set(key, [...(this.pulls.get(key) ?? []), pull]);
    this.watch(key, pull, this.generation);
    this.pump(name, consumerName);
  }

  /** Says that it is alive while there is nothing to send, and when the request has run out. */
  private watch(key: string, pull: PullRequest, generation: number): void {
    this.time.after(pull.heartbeatMs, () => {
      if (generation !== this.generation || this.pulls.get(key)?.includes(pull) !== true) return;
      if (this.time.now >= pull.expiresAt) {
        this.drop(key, pull);
        this.route({
          subject: pull.inbox,
          payload: '',
          headers: statusHeaders(408, 'Request Timeout', { 'Nats-Pending-Messages': String(pull.left) }),
        });
        return;
      }
      if (this.time.now - pull.sentAt >= pull.heartbeatMs)
        this.route({ subject: pull.inbox, payload: '', headers: statusHeaders(100, 'Idle Heartbeat') });
      this.watch(key, pull, generation);
    });
  }

  private drop(key: string, pull: PullRequest): void {
    this.pulls.set(
      key,
      (this.pulls.get(key) ?? []).filter((one) => one !== pull),
    );
  }

  /** Delivers what is due to whoever asked first. */
  private pump(name: string, consumerName: string): void {
    const key = `${name} ${consumerName}`;
    for (;;) {
      const stream = this.disk.get(name);
      const consumer = stream?.consumers.get(consumerName);
      const pull = (this.pulls.get(key) ?? []).find(({ left }) => left > 0);
      if (stream === undefined || consumer === undefined || pull === undefined) return;
      const message = this.nextDelivery(stream, consumer);
      if (message === undefined) return;
      this.deliver({ name, consumerName, consumer, stream }, message, pull);
      if (pull.left === 0) this.drop(key, pull);
    }
  }

  private nextDelivery(stream: StreamState, consumer: ConsumerState): StoredMessage | undefined {
    for (const [sequence, pending] of consumer.pending) {
      if (pending.due !== undefined) continue;
      const message = stream.messages.get(sequence);
      if (message !== undefined) return message;
      consumer.pending.delete(sequence);
    }
    return consumer.pending.size < (consumer.config.max_ack_pending ?? 1_000) ? nextFor(stream, consumer) : undefined;
  }

  private deliver(
    to: { readonly name: string; readonly consumerName: string; readonly consumer: ConsumerState; readonly stream: StreamState },
    message: StoredMessage,
    pull: PullRequest,
  ): void {
    const { name, consumerName, consumer } = to;
    const { sequence } = message;
    const pending = consumer.pending.get(sequence) ?? { deliveries: 0, due: undefined };
    pending.deliveries += 1;
    consumer.pending.set(sequence, pending);
    consumer.delivered = Math.max(consumer.delivered, sequence);
    consumer.consumerSequence += 1;
    pull.left -= 1;
    pull.sentAt = this.time.now;
    this.expireLater(name, consumerName, sequence, ackWaitOf(consumer));
    const place = [pending.deliveries, sequence, consumer.consumerSequence, EPOCH_MS, pendingFor(to.stream, consumer)].map(String);
    const reply = `${ACK_PREFIX}${name}.${consumerName}.${place.join('.')}`;
    const target = (this.subscribers.get(pull.inbox) ?? [])[0];
    // Under its own subject, on the inbox of the pull: so the client tells messages from statuses.
    target?.peer.send(target.id, { ...message, reply });
  }

  private expireLater(name: string, consumerName: string, sequence: number, ms: number): void {
    const pending = this.disk.get(name)?.consumers.get(consumerName)?.pending.get(sequence);
    if (pending === undefined) return;
    const due = this.time.now + ms;
    pending.due = due;
    const generation = this.generation;
    this.time.after(ms, () => {
      const consumer = this.disk.get(name)?.consumers.get(consumerName);
      const open = consumer?.pending.get(sequence);
      if (generation !== this.generation || open?.due !== due) return;
      open.due = undefined;
      this.pump(name, consumerName);
    });
  }

  // The API of streams and consumers, as the manager asks it.

  streamInfo(name: string): object {
    const stream = this.streamOf(name);
    const { firstSequence, lastSequence, messages } = stream;
    return { config: stream.config, state: { messages: messages.size, first_seq: firstSequence, last_seq: lastSequence } };
  }

  addStream(config: Partial<StreamConfig>): object {
    const name = config.name ?? '';
    const clash = [...this.disk.values()].some((stream) => stream.config.subjects?.join() === config.subjects?.join());
    if (!this.disk.has(name)) {
      if (clash) throw apiError(400, 'subjects overlap with an existing stream', 10065);
      this.disk.set(name, emptyStream(config));
      this.trace.note('nats', `makes ${name}`);
    }
    return this.streamInfo(name);
  }

  deleteStream(name: string): boolean {
    const stream = this.streamOf(name);
    for (const consumerName of stream.consumers.keys()) {
      const key = `${name} ${consumerName}`;
      for (const pull of this.pulls.get(key) ?? [])
        this.route({ subject: pull.inbox, payload: '', headers: statusHeaders(409, 'Consumer Deleted') });
      this.pulls.delete(key);
    }
    this.trace.note('nats', `deletes ${name}`);
    this.witness.deleted(name);
    return this.disk.delete(name);
  }

  purgeStream(name: string, keepFrom: number): void {
    const stream = this.streamOf(name);
    const removed = [...stream.messages.values()].filter(({ sequence }) => sequence < keepFrom);
    for (const { sequence } of removed) stream.messages.delete(sequence);
    stream.firstSequence = Math.max(stream.firstSequence, keepFrom);
    this.witness.purged(name, removed, stream.messages.size);
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
      delivered: { stream_seq: consumer.delivered, consumer_seq: consumer.consumerSequence },
      ack_floor: { stream_seq: consumer.pending.size === 0 ? consumer.delivered : Math.min(...consumer.pending.keys()) - 1 },
      num_pending: pendingFor(stream, consumer),
      num_ack_pending: consumer.pending.size,
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

/** Why a publish that expects something of the stream is refused. */
function refusalOf({ headers }: WireMessage, name: string, { lastSequence, lastId }: StreamState): Refusal | undefined {
  const differs = (header: string, found: string): boolean => headers?.has(header) === true && headers.get(header) !== found;
  if (differs('Nats-Expected-Stream', name)) return refusal(10060, 'expected stream does not match');
  if (differs('Nats-Expected-Last-Sequence', String(lastSequence))) return refusal(10071, `wrong last sequence: ${String(lastSequence)}`);
  if (differs('Nats-Expected-Last-Msg-Id', lastId)) return refusal(10070, `wrong last msg ID: ${lastId}`);
  return undefined;
}

const ackWaitOf = ({ config }: ConsumerState): number => (config.ack_wait ?? 30_000 * NANOS_PER_MS) / NANOS_PER_MS;

const covers = (pattern: string, subject: string): boolean =>
  pattern.endsWith('>') ? subject.startsWith(pattern.slice(0, -1)) : pattern === subject;
