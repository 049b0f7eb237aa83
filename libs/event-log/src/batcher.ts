/** Batches of one process that may be in flight; work that arrives meanwhile forms the next one. */
export const BATCHES_IN_FLIGHT_MAX = 3;

export interface BatcherOptions<Item> {
  /** Items of one batch. */
  readonly itemsMax: number;
  /** Items of one key are never in two batches at once, so they are decided on one another in order. */
  readonly keyOf: (item: Item) => string;
  /** Settles every item itself; must not reject. */
  readonly run: (batch: ReadonlyMap<string, readonly Item[]>) => Promise<void>;
  /** Calls back when everything that one read of a socket brought is handled. */
  readonly soon?: (callback: () => void) => void;
}

/**
 * Collects items into batches without a timer: an idle batcher runs at once, a busy one fills the next batch meanwhile.
 * Keys wait their turn in the order of their first item.
 */
export class Batcher<Item> {
  private readonly waiting = new Map<string, Item[]>();
  private readonly busy = new Set<string>();
  private inFlight = 0;
  private scheduled = false;
  private onIdle: (() => void)[] = [];
  private readonly soon: (callback: () => void) => void;

  constructor(private readonly options: BatcherOptions<Item>) {
    this.soon = options.soon ?? process.nextTick;
  }

  add(item: Item): void {
    const key = this.options.keyOf(item);
    const queue = this.waiting.get(key);
    if (queue === undefined) this.waiting.set(key, [item]);
    else queue.push(item);
    this.schedule();
  }

  /** Resolves when nothing waits and nothing is in flight. */
  async idle(): Promise<void> {
    if (this.inFlight === 0 && this.waiting.size === 0) return;
    await new Promise<void>((resolve) => this.onIdle.push(resolve));
  }

  /** Everything that one read of a socket brought joins the batch. */
  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.soon(() => {
      this.scheduled = false;
      this.start();
    });
  }

  private start(): void {
    while (this.inFlight < BATCHES_IN_FLIGHT_MAX) {
      const batch = this.take();
      if (batch.size === 0) return;
      this.inFlight += 1;
      void this.options.run(batch).finally(() => {
        this.inFlight -= 1;
        for (const key of batch.keys()) this.busy.delete(key);
        this.start();
        if (this.inFlight === 0 && this.waiting.size === 0)
          this.onIdle.splice(0).forEach((resolve) => {
            resolve();
          });
      });
    }
  }

  private take(): Map<string, Item[]> {
    const batch = new Map<string, Item[]>();
    let count = 0;
    for (const [key, items] of this.waiting) {
      if (count >= this.options.itemsMax) break;
      if (this.busy.has(key)) continue;
      const taken = items.splice(0, this.options.itemsMax - count);
      if (items.length === 0) this.waiting.delete(key);
      batch.set(key, taken);
      this.busy.add(key);
      count += taken.length;
    }
    return batch;
  }
}
