import {
  exceedsBytes,
  MESSAGE_BYTES_MAX,
  SUBJECT_FEED,
  SUBJECT_FEED_ENDED,
  SUBJECT_FEED_WANTED,
  utf8Bytes,
  type EndedWorkflow,
  type FeedEvent,
  type FeedMessage,
} from '@taskmaster/contracts';
import type { NatsConnection } from 'nats';
import { systemTimers, type Timers } from './timers.js';

/** An event on its way to the feed, its data still the text that was stored. */
export type CommittedText = Omit<FeedEvent, 'data'> & { readonly dataText: string };

/** A view larger than this is not told to everybody who waits: whoever wants it asks. */
const ENDED_BYTES_MAX = 16 * 1024;

/** How often a follower says that it wants the feed. */
const WANTED_EVERY_MS = 1_000;
/** How long the feed is told after somebody said so: two sayings may be lost. */
const WANTED_FOR_MS = 3_500;

/** Tells live listeners what was committed, while there are any, and who waits what has ended. Nothing depends on it. */
export class FeedPublisher {
  #wantedUntil = -Infinity;

  constructor(
    private readonly connection: NatsConnection,
    private readonly timers: Pick<Timers, 'now'> = systemTimers,
  ) {
    connection.subscribe(SUBJECT_FEED_WANTED, {
      callback: (error) => {
        if (error === null) this.#wantedUntil = timers.now() + WANTED_FOR_MS;
      },
    });
  }

  /** Tells the events of one commit, in order and without a hole, in as many messages as they need, and the workflows that it ended. */
  publish(events: readonly CommittedText[], ended: readonly EndedWorkflow[] = []): void {
    if (this.timers.now() < this.#wantedUntil) this.#tell(events);
    for (const { texts } of packTexts(ended.map(endedText))) this.#send(SUBJECT_FEED_ENDED, `[${texts}]`);
  }

  #tell(events: readonly CommittedText[]): void {
    let from = events[0]?.position ?? 0;
    for (const { texts, count } of packTexts(events.map(feedText))) {
      this.#send(SUBJECT_FEED, `{"first":${String(from)},"last":${String(from + count - 1)},"events":[${texts}]}`);
      from += count;
    }
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
  return exceedsBytes(whole, ENDED_BYTES_MAX) ? JSON.stringify({ stream, tenantId }) : whole;
}

/** The JSON of a feed event, without parsing its data. */
const feedText = ({ position, stream, version, tenantId, type, occurredAt, dataText }: CommittedText): string =>
  `${JSON.stringify({ position, stream, version, tenantId, type, occurredAt }).slice(0, -1)},"data":${dataText}}`;

/**
 * Follows the feed from now on. What was committed before it is wanted, and what is lost on the way, is found in the log. @returns what ends that
 */
export function followFeed(
  connection: NatsConnection,
  listener: (message: FeedMessage) => void,
  timers: Timers = systemTimers,
): () => void {
  const subscription = connection.subscribe(SUBJECT_FEED, {
    callback: (error, message) => {
      if (error === null) listener(message.json<FeedMessage>());
    },
  });
  const want = (): void => {
    if (!connection.isClosed()) connection.publish(SUBJECT_FEED_WANTED);
  };
  want();
  const endWanting = timers.every(WANTED_EVERY_MS, want);
  return () => {
    endWanting();
    if (!connection.isClosed()) subscription.unsubscribe();
  };
}
