import { beforeEach, describe, expect, it } from '@jest/globals';
import { Absence } from './absence.js';
import { systemTimers, type Timers } from './timers.js';

/** Time that passes when it is told to. */
class Clock {
  #now = 0;
  readonly #due = new Map<() => void, number>();
  readonly timers: Timers = {
    ...systemTimers,
    now: () => this.#now,
    after: (ms, callback) => {
      this.#due.set(callback, this.#now + ms);
      return () => {
        this.#due.delete(callback);
      };
    },
  };

  async pass(ms: number): Promise<void> {
    for (const end = this.#now + ms; this.#now < end;) {
      this.#now += 1;
      for (const [callback, at] of this.#due) {
        if (at > this.#now || !this.#due.delete(callback)) continue;
        callback();
      }
      await Promise.resolve();
    }
  }

  get isIdle(): boolean {
    return this.#due.size === 0;
  }
}

let clock: Clock;
let absence: Absence;
let gone: number[];
beforeEach(() => {
  clock = new Clock();
  absence = new Absence(clock.timers);
  gone = [];
});

const wait = (n: number, maxMs?: number): void => void absence.wait(maxMs).then(() => gone.push(n));

describe('requests that nobody was there to answer', () => {
  it('ask again one at a time, however many there are', async () => {
    for (let n = 0; n < 1_000; n += 1) wait(n);
    await clock.pass(100);
    expect(gone).toEqual([0, 1, 2, 3]);
  });

  it('go on being asked again for, at the end of the line', async () => {
    wait(0);
    wait(1);
    await clock.pass(25);
    wait(0);
    await clock.pass(50);
    expect(gone).toEqual([0, 1, 0]);
  });

  it('all ask again once one of them is answered', async () => {
    for (let n = 0; n < 10; n += 1) wait(n);
    await clock.pass(25);
    absence.end();
    await clock.pass(1);
    expect(gone).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('wait no longer than they may, and leave nothing behind', async () => {
    wait(0, 10);
    await clock.pass(10);
    expect(gone).toEqual([0]);
    await clock.pass(100);
    expect(clock.isIdle).toBe(true);
  });
});
