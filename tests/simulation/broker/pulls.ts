import { EPOCH_MS, type VirtualTime } from '../virtual-time.js';
import {
  advanceFloor,
  endOf,
  nextFor,
  pendingFor,
  type ConsumerState,
  type Disk,
  type StoredMessage,
  type StreamState,
} from './jetstream.js';
import { statusHeaders, type WireMessage } from './message.js';
import type { BrokerWitness, Peer, Subscriber } from './server.js';

interface PullRequest {
  readonly peer: Peer;
  readonly inbox: string;
  readonly heartbeatMs: number;
  readonly expiresAt: number;
  left: number;
  sentAt: number;
}

/** What the server is to its consumers. */
export interface PullsHost {
  readonly time: VirtualTime;
  readonly disk: Disk;
  readonly generation: number;
  readonly witness: BrokerWitness;
  /** Who reads an inbox. */
  reader(inbox: string): Subscriber | undefined;
  route(message: WireMessage): void;
}

interface Place {
  readonly name: string;
  readonly consumerName: string;
  readonly stream: StreamState;
  readonly consumer: ConsumerState;
}

export const NANOS_PER_MS = 1_000_000;
export const ACK_PREFIX = '$JS.ACK.';
export const PULL_PREFIX = '$JS.API.CONSUMER.MSG.NEXT.';

/** Requests for messages that wait, what is delivered to them, and how that is answered: as nats-server 2.9 does it. */
export class Pulls {
  private waiting = new Map<string, PullRequest[]>();

  constructor(private readonly host: PullsHost) {}

  /** Takes a request. Nobody answers one for a consumer that is absent. */
  ask({ subject, payload, reply }: WireMessage, peer: Peer): void {
    const [name = '', consumerName = ''] = subject.slice(PULL_PREFIX.length).split('.');
    const { time } = this.host;
    if (reply === undefined || this.placeOf(name, consumerName) === undefined) return;
    const { batch, expires, idle_heartbeat } = JSON.parse(payload) as { batch: number; expires: number; idle_heartbeat: number };
    const pull: PullRequest = {
      ...{ peer, inbox: reply, left: batch, sentAt: time.now },
      ...{ heartbeatMs: idle_heartbeat / NANOS_PER_MS, expiresAt: time.now + expires / NANOS_PER_MS },
    };
    const key = keyOf(name, consumerName);
    this.waiting.set(key, [...(this.waiting.get(key) ?? []), pull]);
    this.watch({ name, consumerName }, pull, this.host.generation);
    this.pump(name, consumerName);
  }

  /** How many requests wait. */
  waitingFor(name: string, consumerName: string): number {
    return this.waiting.get(keyOf(name, consumerName))?.length ?? 0;
  }

  /** Takes what a delivery is answered, and says so to whoever wants to know. */
  answer(message: WireMessage): void {
    this.take(message);
    if (message.reply !== undefined) this.host.route({ subject: message.reply, payload: '' });
  }

  private take({ subject, payload }: WireMessage): void {
    const [, , name = '', consumerName = '', , sequenceText = ''] = subject.split('.');
    const sequence = Number(sequenceText);
    const place = this.placeOf(name, consumerName);
    const pending = place?.consumer.pending.get(sequence);
    if (place === undefined || pending === undefined) return;
    if (payload === '+WPI') {
      // What waits for a request already is delivered again in any case.
      if (pending.due !== undefined) this.expireLater(name, consumerName, sequence, ackWaitOf(place.consumer));
    } else if (payload.startsWith('-NAK')) {
      const { delay } = JSON.parse(payload.slice('-NAK '.length)) as { readonly delay: number };
      this.expireLater(name, consumerName, sequence, delay / NANOS_PER_MS);
    } else this.settle(place, sequence, payload === '+ACK');
  }

  /** Delivers what is due to those who ask, in turn. */
  pump(name: string, consumerName: string): void {
    const key = keyOf(name, consumerName);
    for (;;) {
      const place = this.placeOf(name, consumerName);
      const [pull, ...others] = (this.waiting.get(key) ?? []).filter(({ inbox }) => this.host.reader(inbox) !== undefined);
      if (place === undefined || pull === undefined) return;
      const message = this.nextDelivery(place);
      if (message === undefined) return;
      this.deliver(place, message, pull);
      this.waiting.set(key, pull.left === 0 ? others : [...others, pull]);
    }
  }

  /** Those who wait for the messages of a stream hear that it is deleted. */
  deleted(name: string, stream: StreamState): void {
    for (const consumerName of stream.consumers.keys()) {
      const key = keyOf(name, consumerName);
      for (const { inbox } of this.waiting.get(key) ?? [])
        this.host.route({ subject: inbox, payload: '', headers: statusHeaders(409, 'Consumer Deleted') });
      this.waiting.delete(key);
    }
  }

  /** Forgets the requests of a connection that is gone. */
  disconnect(peer: Peer): void {
    for (const [key, pulls] of this.waiting)
      this.waiting.set(
        key,
        pulls.filter((pull) => pull.peer !== peer),
      );
  }

  stop(): void {
    this.waiting = new Map();
  }

  /** Deliveries that were open are made again; how far a consumer had looked is forgotten. */
  start(): void {
    for (const [name, stream] of this.host.disk)
      for (const [consumerName, consumer] of stream.consumers) {
        consumer.passed = 0;
        if (consumer.pending.size === 0) consumer.floor = endOf(consumer);
        for (const sequence of consumer.pending.keys()) this.expireLater(name, consumerName, sequence, ackWaitOf(consumer));
      }
  }

  private placeOf(name: string, consumerName: string): Place | undefined {
    const stream = this.host.disk.get(name);
    const consumer = stream?.consumers.get(consumerName);
    return stream === undefined || consumer === undefined ? undefined : { name, consumerName, stream, consumer };
  }

  private settle({ name, consumerName, stream, consumer }: Place, sequence: number, isAck: boolean): void {
    advanceFloor(consumer, sequence);
    const message = stream.messages.get(sequence);
    if (message !== undefined && isAck) this.host.witness.acknowledged(name, consumerName, message);
    this.pump(name, consumerName);
  }

  /** Says that it is alive while there is nothing to send, and when the request has run out. */
  private watch(of: { readonly name: string; readonly consumerName: string }, pull: PullRequest, generation: number): void {
    const { time } = this.host;
    const key = keyOf(of.name, of.consumerName);
    time.after(pull.heartbeatMs, () => {
      if (generation !== this.host.generation || this.waiting.get(key)?.includes(pull) !== true) return;
      if (time.now >= pull.expiresAt) {
        this.drop(key, pull);
        this.host.route({
          subject: pull.inbox,
          payload: '',
          headers: statusHeaders(408, 'Request Timeout', { 'Nats-Pending-Messages': String(pull.left) }),
        });
        return;
      }
      if (time.now - pull.sentAt >= pull.heartbeatMs)
        this.host.route({ subject: pull.inbox, payload: '', headers: statusHeaders(100, 'Idle Heartbeat') });
      this.pump(of.name, of.consumerName);
      this.watch(of, pull, generation);
    });
  }

  private drop(key: string, pull: PullRequest): void {
    this.waiting.set(
      key,
      (this.waiting.get(key) ?? []).filter((one) => one !== pull),
    );
  }

  private nextDelivery({ name, consumerName, stream, consumer }: Place): StoredMessage | undefined {
    for (const [sequence, pending] of consumer.pending) {
      if (pending.due !== undefined) continue;
      const message = stream.messages.get(sequence);
      if (message !== undefined) return message;
      // The stream is older than its consumer: it is tried again, and delivered when it is there.
      pending.deliveries += 1;
      this.expireLater(name, consumerName, sequence, ackWaitOf(consumer));
    }
    if (consumer.pending.size >= (consumer.config.max_ack_pending ?? 1_000)) return undefined;
    const next = nextFor(stream, consumer);
    if (next === undefined) consumer.passed = stream.lastSequence;
    return next;
  }

  private deliver({ name, consumerName, consumer, stream }: Place, message: StoredMessage, pull: PullRequest): void {
    const { sequence } = message;
    consumer.consumerSequence += 1;
    const pending = consumer.pending.get(sequence) ?? { firstSequence: consumer.consumerSequence, deliveries: 0, due: undefined };
    pending.deliveries += 1;
    consumer.pending.set(sequence, pending);
    consumer.delivered = Math.max(consumer.delivered, sequence);
    pull.left -= 1;
    pull.sentAt = this.host.time.now;
    this.expireLater(name, consumerName, sequence, ackWaitOf(consumer));
    const place = [pending.deliveries, sequence, consumer.consumerSequence, EPOCH_MS, pendingFor(stream, consumer)].map(String);
    const reply = `${ACK_PREFIX}${name}.${consumerName}.${place.join('.')}`;
    const target = this.host.reader(pull.inbox);
    // Under its own subject, on the inbox of the pull: so the client tells messages from statuses.
    target?.peer.send(target.id, { ...message, reply });
  }

  private expireLater(name: string, consumerName: string, sequence: number, ms: number): void {
    const { time, generation } = this.host;
    const pending = this.placeOf(name, consumerName)?.consumer.pending.get(sequence);
    if (pending === undefined) return;
    const due = time.now + ms;
    pending.due = due;
    time.after(ms, () => {
      const place = this.placeOf(name, consumerName);
      const open = place?.consumer.pending.get(sequence);
      if (generation !== this.host.generation || place === undefined || open?.due !== due) return;
      open.due = undefined;
      if (sequence < place.stream.firstSequence) place.consumer.pending.delete(sequence);
      this.pump(name, consumerName);
    });
  }
}

const keyOf = (name: string, consumerName: string): string => `${name} ${consumerName}`;

const ackWaitOf = ({ config }: ConsumerState): number => (config.ack_wait ?? 30_000 * NANOS_PER_MS) / NANOS_PER_MS;
