import {
  MESSAGE_BYTES_MAX,
  SUBJECT_FEED,
  SUBJECT_FEED_ENDED,
  utf8Bytes,
  type EndedWorkflow,
  type FeedEvent,
  type FeedMessage,
} from '@taskmaster/contracts';
import type { NatsConnection, Subscription } from 'nats';

interface Pending {
  readonly first: number;
  last: number;
  json: string;
  bytes: number;
}

/** An event on its way to the feed, its data still the text that was stored. */
export type CommittedText = Omit<FeedEvent, 'data'> & { readonly dataText: string };

/** A view larger than this is not told to everybody who waits: whoever wants it asks. */
const ENDED_BYTES_MAX = 16 * 1024;

/** Tells live listeners what was committed and who waits what has ended. Commits of one turn of the event loop travel together. Nothing depends on it. */
export class FeedPublisher {
  #pending: Pending | undefined;
  #ended = '';

  constructor(private readonly connection: NatsConnection) {}

  /** Hands in the events of one commit, in order and without a hole. */
  publish(events: readonly CommittedText[], ended: readonly EndedWorkflow[] = []): void {
    for (const event of events) this.#add(event);
    for (const workflow of ended) this.#addEnded(workflow);
  }

  #addEnded({ stream, tenantId, view }: EndedWorkflow): void {
    const whole = JSON.stringify({ stream, tenantId, view });
    const json = utf8Bytes(whole) <= ENDED_BYTES_MAX ? whole : JSON.stringify({ stream, tenantId });
    if (this.#ended.length + json.length > MESSAGE_BYTES_MAX / 2) this.#sendEnded();
    this.#ended = this.#ended === '' ? json : `${this.#ended},${json}`;
  }

  #add(event: CommittedText): void {
    const json = feedText(event);
    const bytes = utf8Bytes(json) + 1;
    const pending = this.#pending;
    if (pending !== undefined && pending.last + 1 === event.position && pending.bytes + bytes <= MESSAGE_BYTES_MAX) {
      pending.last = event.position;
      pending.json += `,${json}`;
      pending.bytes += bytes;
      return;
    }
    if (pending === undefined) setImmediate(() => this.#flush());
    else this.#send(pending);
    this.#pending = { first: event.position, last: event.position, json, bytes };
  }

  #flush(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined) this.#send(pending);
    this.#sendEnded();
  }

  #sendEnded(): void {
    if (this.#ended !== '' && !this.connection.isClosed()) this.connection.publish(SUBJECT_FEED_ENDED, `[${this.#ended}]`);
    this.#ended = '';
  }

  #send({ first, last, json }: Pending): void {
    // A closed connection loses the message; listeners see the gap.
    if (this.connection.isClosed()) return;
    this.connection.publish(SUBJECT_FEED, `{"first":${String(first)},"last":${String(last)},"events":[${json}]}`);
  }
}

/** The JSON of a feed event, without parsing its data. */
const feedText = ({ position, stream, version, tenantId, type, occurredAt, dataText }: CommittedText): string =>
  `${JSON.stringify({ position, stream, version, tenantId, type, occurredAt }).slice(0, -1)},"data":${dataText}}`;

export interface FeedCallbacks {
  /** Events in order, each once. */
  readonly onEvents: (events: readonly FeedEvent[]) => void;
  /** The positions `first … last` passed unseen: read them from the log. */
  readonly onGap: (first: number, last: number) => void;
}

/** Listens to the feed from now on and says which positions it missed. */
export class FeedListener {
  #last: number | undefined;
  #subscription: Subscription | undefined;

  constructor(
    private readonly connection: NatsConnection,
    private readonly callbacks: FeedCallbacks,
    /** The last position the listener knows already; without it, the first message says where the feed starts. */
    after?: number,
  ) {
    this.#last = after;
  }

  start(): void {
    this.#subscription ??= this.connection.subscribe(SUBJECT_FEED, {
      callback: (error, message) => {
        if (error === null) this.#onMessage(message.json<FeedMessage>());
      },
    });
  }

  stop(): void {
    if (!this.connection.isClosed()) this.#subscription?.unsubscribe();
    this.#subscription = undefined;
  }

  #onMessage({ first, last, events }: FeedMessage): void {
    const known = this.#last ?? first - 1;
    if (last <= known) return;
    this.#last = last;
    if (first > known + 1) this.callbacks.onGap(known + 1, first - 1);
    this.callbacks.onEvents(first > known ? events : events.filter(({ position }) => position > known));
  }
}
