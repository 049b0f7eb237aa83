/** What a closed loop of callers measured; times in milliseconds. */
export interface LoadResult {
  readonly completed: number;
  readonly failed: number;
  readonly firstFailure?: string;
  readonly wallMs: number;
  readonly latencyMs: { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number };
}

const FAILURES_MAX = 50;

/** The value below which the share `q` of the sorted values lies; NaN for none. */
export const quantile = (sorted: ArrayLike<number>, q: number): number =>
  sorted.length === 0 ? Number.NaN : (sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN);

export interface LoadLimits {
  readonly count: number;
  readonly concurrency: number;
  /** No call starts later; what runs is waited for. */
  readonly ms?: number;
}

/** `concurrency` callers, each starting its next call when its last one is done, until `count` calls have been made or the time is up. */
export async function closedLoop(
  call: () => Promise<unknown>,
  { count, concurrency, ms = Number.POSITIVE_INFINITY }: LoadLimits,
): Promise<LoadResult> {
  const samples: number[] = [];
  const failures: string[] = [];
  let started = 0;
  const begin = performance.now();
  const caller = async (): Promise<void> => {
    while (started < count && failures.length < FAILURES_MAX && performance.now() < begin + ms) {
      started += 1;
      const begin = performance.now();
      try {
        await call();
        samples.push(performance.now() - begin);
      } catch (error) {
        failures.push((error as Error).message);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, caller));
  const wallMs = performance.now() - begin;
  const sorted = Float64Array.from(samples).sort();
  const [firstFailure] = failures;
  return {
    completed: samples.length,
    failed: failures.length,
    ...(firstFailure === undefined ? {} : { firstFailure }),
    wallMs,
    latencyMs: { p50: quantile(sorted, 0.5), p95: quantile(sorted, 0.95), p99: quantile(sorted, 0.99), max: quantile(sorted, 1) },
  };
}
