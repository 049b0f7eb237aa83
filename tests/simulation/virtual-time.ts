/** An instant at which the simulated clock begins: ordinary, and far from any real one. */
export const EPOCH_MS = Date.UTC(2026, 0, 1);

interface Happening {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const isBefore = (a: Happening, b: Happening): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** Everything that will happen, in order. Time passes only from one happening to the next, so a minute costs what happens in it. */
export class VirtualTime {
  private readonly heap: Happening[] = [];
  private nowMs = 0;
  private order = 0;
  private happened = 0;

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.nowMs;
  }

  /** How many things have happened. */
  get count(): number {
    return this.happened;
  }

  /** Lets something happen after so many milliseconds. Things of one instant happen in the order in which they were asked for. */
  after(ms: number, run: () => void): void {
    this.order += 1;
    this.push({ at: this.nowMs + Math.max(0, ms), order: this.order, run });
  }

  /** Lets time pass until an instant, or until the condition says stop. After each happening all that it set off runs to its end. */
  async runUntil(endMs: number, isOver: () => boolean = () => false): Promise<void> {
    while (!isOver()) {
      const next = this.heap[0];
      if (next === undefined || next.at > endMs) break;
      this.pop();
      this.nowMs = next.at;
      this.happened += 1;
      next.run();
      await settled();
    }
    if (!isOver()) this.nowMs = Math.max(this.nowMs, endMs);
  }

  private push(happening: Happening): void {
    let index = this.heap.length;
    this.heap.push(happening);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = this.heap[parent];
      if (above === undefined || !isBefore(happening, above)) break;
      this.heap[index] = above;
      index = parent;
    }
    this.heap[index] = happening;
  }

  private pop(): void {
    const last = this.heap.pop();
    if (last === undefined || this.heap.length === 0) return;
    let index = 0;
    for (;;) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      const [l, r] = [this.heap[left], this.heap[right]];
      if (l === undefined) break;
      const [child, smaller] = r !== undefined && isBefore(r, l) ? [right, r] : [left, l];
      if (!isBefore(smaller, last)) break;
      this.heap[index] = smaller;
      index = child;
    }
    this.heap[index] = last;
  }
}

/** Resolves when no promise has anything left to do. */
const settled = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
