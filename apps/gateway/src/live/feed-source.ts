import type { EndedWorkflow, FeedMessage } from '@taskmaster/contracts';

/** Commits as they happen. Lossy: a listener that misses one reads the log. Each call answers with a function that stops listening. */
export interface FeedSource {
  /** Every commit; wanted only while somebody follows events live. */
  onEvents(listener: (message: FeedMessage) => void): () => void;
  /** Workflows that have just ended. */
  onEnded(listener: (ended: readonly EndedWorkflow[]) => void): () => void;
}
