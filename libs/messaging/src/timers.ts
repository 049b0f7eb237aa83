/** What code that waits asks of time. Every process has one; a simulation hands in its own. */
export interface Timers {
  /** Milliseconds that only grow. */
  now(): number;
  /** Calls back once after so many milliseconds. @returns what prevents that */
  after(ms: number, callback: () => void): () => void;
  /** Calls back again and again. Keeps no process alive by itself. @returns what ends that */
  every(ms: number, callback: () => void): () => void;
  /** Calls back when everything that one read of a socket brought is handled. */
  soon(callback: () => void): void;
  /** In [0, 1), for jitter. */
  random(): number;
}

/** The process's own time. */
export const systemTimers: Timers = {
  now: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, ms);
    return () => {
      clearTimeout(timer);
    };
  },
  every: (ms, callback) => {
    const timer = setInterval(callback, ms).unref();
    return () => {
      clearInterval(timer);
    };
  },
  soon: (callback) => {
    // Once the microtasks of what was read have run; another turn would ask the system once more whether there is anything to read.
    process.nextTick(callback);
  },
  random: () => Math.random(),
};
