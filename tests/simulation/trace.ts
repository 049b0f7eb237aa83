import { createHash } from 'node:crypto';

/** Lines kept for a person to read after a failure. */
const LINES_MAX = 400;

/** What happened, as a hash of all of it and the last lines of it. The same seed gives the same trace. */
export class Trace {
  private readonly digest = createHash('sha256');
  private readonly kept: string[] = [];
  private count = 0;

  constructor(
    private readonly now: () => number,
    /** Told of every line. */
    private readonly say?: (line: string) => void,
  ) {}

  note(who: string, what: string): void {
    const line = `${this.now().toFixed(3).padStart(11)} ${who.padEnd(9)} ${what}`;
    this.digest.update(line);
    this.count += 1;
    this.kept.push(line);
    if (this.kept.length > 2 * LINES_MAX) this.kept.splice(0, LINES_MAX);
    this.say?.(line);
  }

  get lines(): number {
    return this.count;
  }

  last(count: number): readonly string[] {
    return this.kept.slice(-count);
  }

  /** The hash of everything noted so far. */
  hash(): string {
    return this.digest.copy().digest('hex').slice(0, 16);
  }
}
