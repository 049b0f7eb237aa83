/** How many keys are counted at once; a full book forgets the one that was used least recently. */
export const BUCKETS_MAX = 10_000;

interface Bucket {
  tokens: number;
  at: number;
}

/** What the headers say about a request's bucket. */
export interface Allowance {
  readonly allowed: boolean;
  readonly remaining: number;
  readonly retryAfterSeconds: number;
}

/** One token bucket per key: `burst` at once, refilled evenly over a minute. Counts in this process only. */
export class RateLimit {
  private readonly buckets = new Map<string, Bucket>();
  private readonly perMs: number;

  constructor(
    readonly perMinute: number,
    readonly burst: number,
    private readonly now: () => number,
  ) {
    this.perMs = perMinute / 60_000;
  }

  take(name: string): Allowance {
    const now = this.now();
    const bucket = this.bucketOf(name, now);
    bucket.tokens = Math.min(this.burst, bucket.tokens + (now - bucket.at) * this.perMs);
    bucket.at = now;
    if (bucket.tokens < 1)
      return { allowed: false, remaining: 0, retryAfterSeconds: Math.max(1, Math.ceil((1 - bucket.tokens) / this.perMs / 1000)) };
    bucket.tokens -= 1;
    return { allowed: true, remaining: Math.floor(bucket.tokens), retryAfterSeconds: 0 };
  }

  private bucketOf(name: string, now: number): Bucket {
    const known = this.buckets.get(name);
    if (known !== undefined) return known;
    if (this.buckets.size >= BUCKETS_MAX) {
      const oldest = this.buckets.keys().next();
      if (oldest.done !== true) this.buckets.delete(oldest.value);
    }
    const bucket = { tokens: this.burst, at: now };
    this.buckets.set(name, bucket);
    return bucket;
  }
}
