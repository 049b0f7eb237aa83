import { systemTimers, type Timers } from '@taskmaster/messaging';
import { Alarm } from './alarm.js';

/** How late a retry or a re-drive may be noticed. */
const SWEEP_STEPS_MS = 500;
/** Deadlines of workflows are minutes and hours away, and whoever frees a slot admits the next: this is the net. */
const SWEEP_WORKFLOWS_MS = 5_000;
/** A session that ends says so by itself; this finds one that went silent. */
const LEADER_CHECK_MS = 5_000;

export interface SweepWorkerOptions {
  readonly steps: () => Promise<unknown>;
  readonly workflows: () => Promise<unknown>;
  readonly admission: () => Promise<unknown>;
  readonly log: (what: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly timers?: Timers;
}

/** Looks for what is due, as long as this process leads. It needs the database only: timers go on although the broker is away. */
export class SweepWorker {
  private readonly timers: Timers;
  private readonly alarm: Alarm;
  private readonly due = new Map<string, number>();
  private failing = false;

  constructor(private readonly options: SweepWorkerOptions) {
    this.timers = options.timers ?? systemTimers;
    this.alarm = new Alarm(this.timers);
  }

  /** Ends the wait between two sweeps. */
  rouse(): void {
    this.alarm.ring();
  }

  /** `check` asks whether this process still leads. */
  async runWhile(goesOn: () => boolean, check: () => Promise<unknown>): Promise<void> {
    this.due.clear();
    while (goesOn()) {
      await this.round(check);
      if (goesOn()) await this.alarm.wait(SWEEP_STEPS_MS);
    }
  }

  /** What fails is due again in the next round: the rows are still there. */
  private async round(check: () => Promise<unknown>): Promise<void> {
    const { steps, workflows, admission, log } = this.options;
    try {
      if (this.isDue('leader', LEADER_CHECK_MS)) await check();
      if (this.isDue('steps', SWEEP_STEPS_MS)) await steps();
      if (this.isDue('workflows', SWEEP_WORKFLOWS_MS)) await Promise.all([workflows(), admission()]);
      if (this.failing) log('sweeping goes on', {});
      this.failing = false;
    } catch (error) {
      if (!this.failing) log('sweeping interrupted', { err: error });
      this.failing = true;
    }
  }

  private isDue(name: string, everyMs: number): boolean {
    const now = this.timers.now();
    if (now < (this.due.get(name) ?? 0)) return false;
    this.due.set(name, now + everyMs);
    return true;
  }
}
