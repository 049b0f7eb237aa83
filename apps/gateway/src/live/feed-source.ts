import type { FeedMessage } from '@taskmaster/contracts';

/**
 * Commits as they happen. Lossy: a listener that misses one reads the log. `raw` is the message as it came, so that a listener can
 * look before it parses.
 */
export interface FeedSource {
  listen(listener: (message: RawFeedMessage) => void): () => void;
}

export interface RawFeedMessage {
  readonly raw: Uint8Array;
  parse(): FeedMessage;
}
