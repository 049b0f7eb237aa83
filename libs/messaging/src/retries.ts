/** The first wait for an answer; doubles on every try up to the cap. */
const TIMEOUT_FIRST_MS = 300;
const TIMEOUT_MS_MAX = 5_000;
const BACKOFF_FIRST_MS = 20;
const BACKOFF_MS_MAX = 1_000;

export const DEADLINE_DEFAULT_MS = 30_000;

/** How long to wait for an answer on this try, from 0. */
export const timeoutOf = (tries: number): number => Math.min(TIMEOUT_FIRST_MS * 2 ** Math.min(tries, 10), TIMEOUT_MS_MAX);

/** How long to wait before asking again after a fault, from try 0. */
export const backoffOf = (tries: number): number => Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(tries, 10), BACKOFF_MS_MAX);
