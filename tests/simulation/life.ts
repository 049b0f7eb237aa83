import { timestampOf, type Timestamp } from '@taskmaster/contracts';
import type { Timers } from '@taskmaster/messaging';
import type { SeededRandom } from '@taskmaster/testing';
import { EPOCH_MS, type VirtualTime } from './virtual-time.js';

/** From the start of a process to its end. What was begun in a life that is over never comes back to it. */
export class Life {
  private over = false;
  private paused = false;
  private readonly backlog: (() => void)[] = [];
  private readonly deaths: (() => void)[] = [];
  /** How wrong this process's wall clock is. */
  skewMs = 0;
  readonly timers: Timers;

  constructor(
    readonly name: string,
    private readonly time: VirtualTime,
    random: SeededRandom,
  ) {
    this.timers = {
      now: () => time.now,
      after: (ms, callback) => this.after(ms, callback),
      every: (ms, callback) => this.every(ms, callback),
      soon: (callback) => {
        this.after(0, callback);
      },
      random: () => random.next(),
    };
  }

  get isOver(): boolean {
    return this.over;
  }

  get isPaused(): boolean {
    return this.paused;
  }

  /** The wall clock of this process. */
  readonly clock = (): Timestamp => timestampOf(Math.floor(EPOCH_MS + this.time.now + this.skewMs));

  /** Hands something to the process: now, when it wakes, or never. */
  deliver(run: () => void): void {
    if (this.over) return;
    if (this.paused || this.backlog.length > 0) this.backlog.push(run);
    else run();
  }

  /** Told when this life ends. */
  onEnd(callback: () => void): void {
    this.deaths.push(callback);
  }

  end(): void {
    this.over = true;
    this.backlog.length = 0;
    for (const callback of this.deaths.splice(0)) callback();
  }

  pause(): void {
    this.paused = true;
  }

  /** Wakes: what came meanwhile is handled in its order before anything new. */
  resume(): void {
    this.paused = false;
    this.drain();
  }

  private drain(): void {
    this.time.after(0, () => {
      if (this.over || this.paused) return;
      const next = this.backlog[0];
      if (next === undefined) return;
      next();
      this.backlog.shift();
      if (this.backlog.length > 0) this.drain();
    });
  }

  private after(ms: number, callback: () => void): () => void {
    let wanted = true;
    this.time.after(ms, () => {
      if (!wanted) return;
      this.deliver(() => {
        if (wanted) callback();
      });
    });
    return () => {
      wanted = false;
    };
  }

  private every(ms: number, callback: () => void): () => void {
    let forget: () => void = () => undefined;
    const again = (): void => {
      forget = this.after(ms, () => {
        again();
        callback();
      });
    };
    again();
    return () => {
      forget();
    };
  }
}
