import type { FeedSource } from './feed-source.js';

/** Where those stand who wait for a workflow's end. */
interface Waiter {
  readonly stream: string;
  nudge(): void;
}

/** Wakes those who wait for the end of a workflow. An end is only a hint to look: a lost one is made good by the poll. */
export class WaitingRoom {
  private readonly waiters = new Map<string, Set<Waiter>>();
  private readonly stop: () => void;
  private shut = false;

  constructor(feed: FeedSource) {
    this.stop = feed.onEnded((streams) => {
      for (const stream of streams) this.nudge(stream);
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

  /** Stands in the room until `leave`. `nextHint` resolves at the next hint or after `ms`, whichever comes first; hints in between are kept. */
  enter(stream: string): { nextHint(ms: number): Promise<void>; leave(): void } {
    let hinted = false;
    let wake: (() => void) | undefined;
    const waiter: Waiter = {
      stream,
      nudge: () => {
        hinted = true;
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
      },
      leave: () => {
        group.delete(waiter);
        if (group.size === 0 && this.waiters.get(stream) === group) this.waiters.delete(stream);
      },
    };
  }

  private nudge(stream: string): void {
    for (const waiter of this.waiters.get(stream) ?? []) waiter.nudge();
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
