import { setTimeout as pause } from 'node:timers/promises';

/** Asks until the answer is true or the time is up. @returns whether it became true */
export async function pollUntil(
  condition: () => boolean | Promise<boolean>,
  options: { readonly deadlineMs: number; readonly intervalMs?: number; readonly signal?: AbortSignal | undefined },
): Promise<boolean> {
  const end = performance.now() + options.deadlineMs;
  let interval = options.intervalMs ?? 5;
  for (;;) {
    if (await condition()) return true;
    options.signal?.throwIfAborted();
    if (performance.now() >= end) return false;
    await pause(interval);
    interval = Math.min(interval * 1.5, 100);
  }
}
