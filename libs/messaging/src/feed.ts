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

/** An event on its way to the feed, its data still the text that was stored. */
export type CommittedText = Omit<FeedEvent, 'data'> & { readonly dataText: string };

/** A view larger than this is not told to everybody who waits: whoever wants it asks. */
const ENDED_BYTES_MAX = 16 * 1024;

/** Tells live listeners what was committed and who waits what has ended. Nothing depends on it. */
export class FeedPublisher {
  constructor(private readonly connection: NatsConnection) {}

  /** Tells the events of one commit, in order and without a hole, in as many messages as they need, and the workflows that it ended. */
  publish(events: readonly CommittedText[], ended: readonly EndedWorkflow[] = []): void {
    const [first] = events;
    if (first === undefined) return;
    let from = first.position;
    for (const { texts, count } of packTexts(events.map(feedText))) {
      this.#send(SUBJECT_FEED, `{"first":${String(from)},"last":${String(from + count - 1)},"events":[${texts}]}`);
      from += count;
    }
    for (const { texts } of packTexts(ended.map(endedText))) this.#send(SUBJECT_FEED_ENDED, `[${texts}]`);
  }

  #send(subject: string, message: string): void {
    // A closed connection loses the message; listeners see the gap.
    if (!this.connection.isClosed()) this.connection.publish(subject, message);
  }
}

/** Joins texts with commas into as few messages as their limit allows. */
function packTexts(texts: readonly string[]): readonly { readonly texts: string; readonly count: number }[] {
  const packed: { texts: string; count: number }[] = [];
  let bytes = MESSAGE_BYTES_MAX;
  for (const text of texts) {
    const size = utf8Bytes(text) + 1;
    const last = packed.at(-1);
    bytes += size;
    if (last === undefined || bytes > MESSAGE_BYTES_MAX) {
      packed.push({ texts: text, count: 1 });
      bytes = size;
    } else {
      last.texts += `,${text}`;
      last.count += 1;
    }
  }
  return packed;
}

function endedText({ stream, tenantId, view }: EndedWorkflow): string {
  const whole = JSON.stringify({ stream, tenantId, view });
  return utf8Bytes(whole) <= ENDED_BYTES_MAX ? whole : JSON.stringify({ stream, tenantId });
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
