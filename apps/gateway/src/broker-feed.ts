import { SUBJECT_FEED, SUBJECT_FEED_ENDED } from '@taskmaster/contracts';
import type { connectBroker } from '@taskmaster/messaging';
import type { FeedSource } from './live/feed-source.js';

export type Broker = Awaited<ReturnType<typeof connectBroker>>;

/** The feed as the broker delivers it. Nothing is delivered to a process in which nobody listens. */
export class BrokerFeed implements FeedSource {
  constructor(private readonly broker: Broker) {}

  onEvents: FeedSource['onEvents'] = (listener) => this.subscribe(SUBJECT_FEED, listener);

  onEnded: FeedSource['onEnded'] = (listener) => this.subscribe(SUBJECT_FEED_ENDED, listener);

  private subscribe<Message>(subject: string, listener: (message: Message) => void): () => void {
    const subscription = this.broker.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) listener(message.json<Message>());
      },
    });
    return () => {
      if (!this.broker.isClosed()) subscription.unsubscribe();
    };
  }
}
