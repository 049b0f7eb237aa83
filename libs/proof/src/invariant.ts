import type { InvariantReport } from '@taskmaster/contracts';
import type { LoggedEvent } from './chain.js';

/** Sentences kept for one invariant; what is beyond is only counted in the last of them. */
export const VIOLATIONS_MAX = 20;

/** Collects what checking one invariant of design 15 found. */
export class Findings {
  private readonly found: string[] = [];
  private checked = 0;
  private dropped = 0;

  constructor(
    readonly number: number,
    private readonly name: string,
  ) {}

  /** Counts one thing looked at; `violation` is worded only when the condition does not hold. */
  check(holds: boolean, violation: () => string): void {
    this.checked += 1;
    if (holds) return;
    if (this.found.length < VIOLATIONS_MAX) this.found.push(`I${String(this.number)}: ${violation()}`);
    else this.dropped += 1;
  }

  /** What was found so far, without what is only counted. */
  get violations(): readonly string[] {
    return this.found;
  }

  report(): InvariantReport {
    const more = this.dropped === 0 ? [] : [`I${String(this.number)}: and ${String(this.dropped)} more`];
    return { number: this.number, name: this.name, checked: this.checked, violations: [...this.found, ...more] };
  }
}

/** One rule over the log, fed event by event in log order. */
export interface LogRule {
  see(event: LoggedEvent, data: unknown): void;
  /** Told once, after the last event. */
  end?(): void;
  readonly findings: readonly Findings[];
}
