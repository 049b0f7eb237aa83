import type { Timers } from './timers.js';

/** While nobody listens, one of those who were refused asks again this often. */
const LOOK_MS = 25;

/**
 * Where requests wait that the broker refused because nobody listens. One at a time goes and asks again; when one is answered, all
 * go. So whoever comes back is found at once, and the broker hears of it no more often the more there are who wait.
 */
export class Absence {
  readonly #waiting = new Set<() => void>();
  #isLooking = false;

  constructor(private readonly timers: Timers) {}

  /** Settles when it is this request's turn to ask again, at the latest after `maxMs`. */
  wait(maxMs = Infinity): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        this.#waiting.delete(go);
        endTimer?.();
        resolve();
      };
      const endTimer = Number.isFinite(maxMs) ? this.timers.after(maxMs, go) : undefined;
      this.#waiting.add(go);
      if (!this.#isLooking) this.#lookLater();
    });
  }

  /** Somebody answered. */
  end(): void {
    for (const go of [...this.#waiting]) go();
  }

  #lookLater(): void {
    this.#isLooking = true;
    this.timers.after(LOOK_MS, () => {
      const [first] = this.#waiting;
      first?.();
      this.#isLooking = this.#waiting.size > 0;
      if (this.#isLooking) this.#lookLater();
    });
  }
}
