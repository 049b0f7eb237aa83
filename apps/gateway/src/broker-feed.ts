import { SUBJECT_FEED_ENDED, type EndedWorkflow } from '@taskmaster/contracts';
import { followFeed, type connectBroker } from '@taskmaster/messaging';
import type { FeedSource } from './live/feed-source.js';

export type Broker = Awaited<ReturnType<typeof connectBroker>>;

/** The feed as the broker delivers it. Nothing is delivered to a process in which nobody listens. */
export class BrokerFeed implements FeedSource {
  constructor(private readonly broker: Broker) {}

  onEvents: FeedSource['onEvents'] = (listener) => followFeed(this.broker, listener);

  onEnded: FeedSource['onEnded'] = (listener) => {
    const subscription = this.broker.subscribe(SUBJECT_FEED_ENDED, {
      callback: (error, message) => {
        if (error === null) listener(message.json<readonly EndedWorkflow[]>());
      },
    });
    return () => {
      if (!this.broker.isClosed()) subscription.unsubscribe();
    };
  };
}
