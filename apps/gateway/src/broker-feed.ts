import { SUBJECT_FEED, type FeedMessage } from '@taskmaster/contracts';
import type { connectBroker } from '@taskmaster/messaging';
import type { FeedSource, RawFeedMessage } from './live/feed-source.js';

export type Broker = Awaited<ReturnType<typeof connectBroker>>;

/** The feed as the broker delivers it: one subscription for the whole process, unparsed, because most commits concern nobody here. */
export class BrokerFeed implements FeedSource {
  private readonly listeners = new Set<(message: RawFeedMessage) => void>();

  constructor(broker: Broker) {
    broker.subscribe(SUBJECT_FEED, {
      callback: (error, message) => {
        if (error !== null) return;
        let parsed: FeedMessage | undefined;
        const raw: RawFeedMessage = { raw: message.data, parse: () => (parsed ??= message.json<FeedMessage>()) };
        for (const listener of this.listeners) listener(raw);
      },
    });
  }

  listen(listener: (message: RawFeedMessage) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}
