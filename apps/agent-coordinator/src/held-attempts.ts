import type { AttemptRef, LeaseAnswer, LeaseRenewal, QueryAsker, WorkflowId } from '@taskmaster/contracts';
import { systemTimers, type Timers } from '@taskmaster/messaging';
import { attemptKey } from './names.js';
import { refOf, type Work } from './steps.js';

/** Why work is stopped from outside. `lost`: the attempt is no longer ours. `discarded`: its workflow has ended. `drained`: this process ends. */
export type StopReason = 'lost' | 'discarded' | 'drained';

export interface Held {
  readonly work: Work;
  readonly signal: AbortSignal;
  /** Set once `signal` is aborted. */
  readonly reason: () => StopReason | undefined;
  /** Says that a next life of this process can find the attempt: only then may its notice be answered. */
  readonly recorded: () => void;
}

interface Entry extends Held {
  readonly stop: (reason: StopReason) => void;
  readonly done: Promise<void>;
}

export interface HoldingOptions {
  readonly holder: string;
  readonly leaseMs: number;
  /** Told of what nobody else hears of: a renewal that could not be asked, work that threw. */
  readonly onFault: (what: string, error: unknown) => void;
  readonly timers?: Timers;
}

/** The attempts this process works on: keeps their leases with one query for all of them, and stops those that are lost. */
export class HeldAttempts {
  private readonly entries = new Map<string, Entry>();
  private readonly starting = new Set<string>();
  private endRenewing: (() => void) | undefined;
  private readonly timers: Timers;
  private renewing: Promise<void> | undefined;

  constructor(
    private readonly asker: QueryAsker,
    private readonly options: HoldingOptions,
  ) {
    this.timers = options.timers ?? systemTimers;
  }

  get size(): number {
    return this.entries.size;
  }

  has(ref: AttemptRef): boolean {
    return this.entries.has(attemptKey(ref));
  }

  /**
   * Runs the start of an attempt unless another delivery of its notice is just doing so; undefined then. Else the answers to two starts
   * could overtake each other, and `duplicate` would look like something an earlier life of this process had begun.
   */
  async alone<T>(ref: AttemptRef, start: () => Promise<T>): Promise<T | undefined> {
    const key = attemptKey(ref);
    if (this.starting.has(key)) return undefined;
    this.starting.add(key);
    try {
      return await start();
    } finally {
      this.starting.delete(key);
    }
  }

  /**
   * Runs the work of an attempt in the background while its lease is kept, unless it is already running here. Resolves when the work has
   * said that it is recorded, or has ended.
   */
  async hold(work: Work, run: (held: Held) => Promise<void>): Promise<void> {
    const key = attemptKey(refOf(work));
    if (this.entries.has(key)) return;
    const controller = new AbortController();
    let reason: StopReason | undefined;
    let recorded: () => void = () => undefined;
    const found = new Promise<void>((resolve) => {
      recorded = resolve;
    });
    const held: Held = { work, signal: controller.signal, reason: () => reason, recorded };
    const stop = (why: StopReason): void => {
      reason ??= why;
      controller.abort();
    };
    const done = Promise.resolve()
      .then(() => run(held))
      .catch((error: unknown) => {
        this.options.onFault('work on an attempt ended unexpectedly', error);
      })
      .finally(() => {
        this.entries.delete(key);
      });
    this.entries.set(key, { ...held, stop, done });
    this.endRenewing ??= this.timers.every(this.options.leaseMs / 3, () => void this.renew());
    await Promise.race([found, done]);
  }

  /** Renews every lease in one query; what is answered `lost` stops. */
  renew(): Promise<void> {
    this.renewing ??= this.renewAll().finally(() => {
      this.renewing = undefined;
    });
    return this.renewing;
  }

  /** Stops what runs for a workflow and waits until it has cleaned up. */
  async stopWorkflow(workflowId: WorkflowId, except: AttemptRef): Promise<void> {
    const ours = [...this.entries].filter(([key, entry]) => entry.work.workflowId === workflowId && key !== attemptKey(except));
    for (const [, entry] of ours) entry.stop('discarded');
    await Promise.all(ours.map(([, entry]) => entry.done));
  }

  /** Lets what is short end by itself, then leaves the rest to whoever reattaches. */
  async drain(graceMs: number): Promise<void> {
    const all = Promise.all([...this.entries.values()].map((entry) => entry.done));
    let forget: () => void = () => undefined;
    const over = new Promise<void>((resolve) => {
      forget = this.timers.after(graceMs, resolve);
    });
    await Promise.race([all, over]);
    forget();
    const left = [...this.entries.values()];
    for (const entry of left) entry.stop('drained');
    await Promise.all(left.map((entry) => entry.done));
    this.endRenewing?.();
    this.endRenewing = undefined;
  }

  private async renewAll(): Promise<void> {
    const entries = [...this.entries.values()];
    if (entries.length === 0) return;
    const { holder, leaseMs } = this.options;
    const renewals = entries.map(({ work }): LeaseRenewal => ({
      tenantId: work.tenantId,
      workflowId: work.workflowId,
      stepId: work.stepId,
      attempt: work.attempt,
      holder,
      leaseMs,
    }));
    try {
      const { answers } = await this.asker.ask('RenewLeases', { renewals }, { deadlineMs: leaseMs / 2 });
      entries.forEach((entry, i) => {
        const answer: LeaseAnswer | undefined = answers[i];
        if (answer === 'lost') entry.stop('lost');
      });
    } catch (error) {
      // Nobody can say whether the leases still stand; the next renewal asks again, and a late report is refused by the rules.
      this.options.onFault('leases could not be renewed', error);
    }
  }
}
