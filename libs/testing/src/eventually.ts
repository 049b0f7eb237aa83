import { setTimeout as pause } from 'node:timers/promises';

const DEADLINE_MS = 5_000;
const INTERVAL_MS_MAX = 50;

/**
 * Waits until the condition gives something truthy, and gives that. An exception (such as a failed expectation) means "not yet".
 * The only way to wait in a spec. @throws Error at the deadline, naming what was awaited, with the last exception as its cause
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  options: { readonly deadlineMs?: number; readonly what?: string } = {},
): Promise<NonNullable<T>> {
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  const end = performance.now() + deadlineMs;
  let intervalMs = 1;
  for (;;) {
    let cause: unknown;
    try {
      const answer = await condition();
      if (answer) return answer;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= end) {
      const reason = cause instanceof Error ? `: ${cause.message}` : '';
      throw new Error(`${options.what ?? condition.toString()} did not happen within ${String(deadlineMs)} ms${reason}`, { cause });
    }
    await pause(intervalMs);
    intervalMs = Math.min(intervalMs * 2, INTERVAL_MS_MAX);
  }
}
