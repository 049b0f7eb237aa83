export { brokerHealth, connectBroker, onReconnect, type BrokerHealth } from './broker.js';
export { NatsCommandSender, type OwnWork } from './command-sender.js';
export { LogRegressed, TopologyDiffers, WorkStreamLost } from './faults.js';
export { FeedPublisher, followFeed, type CommittedText } from './feed.js';
export { LocalCommandSender } from './local-command-sender.js';
export { DELIVERIES_DEFAULT_MAX, NatsStrategy, NOTICES_CONCURRENT_DEFAULT, type NatsStrategyOptions } from './nats-strategy.js';
export { NatsQueryAsker } from './query-asker.js';
export { RethrowFilter } from './rethrow-filter.js';
export { systemTimers, type Timers } from './timers.js';
export { STREAM_LOSSES, type StreamLoss } from './stream-inspection.js';
export { ACK_PENDING_MAX, ACK_WAIT_MS, STREAM_SETTINGS_DEFAULT, type StreamSettings } from './topology.js';
export {
  WorkStream,
  type EpochRecord,
  type EpochStore,
  type Opened,
  type WorkRead,
  type WorkSource,
  type WorkStreamPoint,
} from './work-stream.js';
export { handledNotice } from './handled-notice.js';
