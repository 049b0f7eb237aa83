import type { EndedWorkflow } from '@taskmaster/contracts';
import type { FeedSource } from './feed-source.js';

/** Where those stand who wait for a workflow's end. */
interface Waiter {
  readonly stream: string;
  nudge(ended?: EndedWorkflow): void;
}

/** One waiter's place. */
export interface Place {
  /** Resolves when the end is announced, with what was said, or after `ms` without it. An announcement in between is kept. */
  nextHint(ms: number): Promise<EndedWorkflow | undefined>;
  leave(): void;
}

/** Wakes those who wait for the end of a workflow, with what ended when the feed says it. A lost announcement is made good by the poll. */
export class WaitingRoom {
  private readonly waiters = new Map<string, Set<Waiter>>();
  private readonly stop: () => void;
  private shut = false;

  constructor(feed: FeedSource) {
    this.stop = feed.onEnded((ended) => {
      for (const workflow of ended) for (const waiter of this.waiters.get(workflow.stream) ?? []) waiter.nudge(workflow);
    });
  }

  get size(): number {
    return this.waiters.size;
  }

  /** Set when the process goes: whoever waits answers with what is known. */
  get closed(): boolean {
    return this.shut;
  }

  close(): void {
    this.shut = true;
    this.stop();
    for (const group of this.waiters.values()) for (const waiter of group) waiter.nudge();
  }

  /** Stands in the room until `leave`. */
  enter(stream: string): Place {
    let hinted = false;
    let ended: EndedWorkflow | undefined;
    let wake: (() => void) | undefined;
    const waiter: Waiter = {
      stream,
      nudge: (workflow) => {
        hinted = true;
        ended = workflow;
        wake?.();
      },
    };
    const group = this.waiters.get(stream) ?? new Set();
    group.add(waiter);
    this.waiters.set(stream, group);
    return {
      nextHint: async (ms) => {
        if (!hinted)
          await waitFor(ms, (resolve) => {
            wake = resolve;
          });
        hinted = false;
        wake = undefined;
        return ended;
      },
      leave: () => {
        group.delete(waiter);
        if (group.size === 0 && this.waiters.get(stream) === group) this.waiters.delete(stream);
      },
    };
  }
}

/** Resolves when `arm`'s callback is called or after `ms`. */
function waitFor(ms: number, arm: (resolve: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    arm(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
