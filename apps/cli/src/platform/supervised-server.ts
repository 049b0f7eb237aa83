import { setTimeout as pause } from 'node:timers/promises';
import { isSameProcess, pollUntil, type ProcessIdentity } from '@taskmaster/provision';
import { PlatformFault } from './platform-fault.js';
import type { Supervision } from './supervised-service.js';

/** What Postgres and NATS have in common once they run. */
export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly process: ProcessIdentity;
  readonly adopted: boolean;
  /** Settles when it ends; undefined when it is no child of ours. */
  readonly ended: Promise<void> | undefined;
  stop(): Promise<void>;
}

/** A server that we started and keep running. */
export interface SupervisedServer {
  readonly name: string;
  readonly url: string;
  readonly identity: ProcessIdentity;
  readonly adopted: boolean;
  /** How often it was found dead. */
  readonly restarts: number;
  /** Settles once it runs, or is not to run any more. */
  untilRunning(): Promise<void>;
  stop(): Promise<void>;
}

/** Replaying a long log after a crash takes its time. */
const REVIVAL_MS_MAX = 120_000;
/** How often a server is looked at that is no child of ours. */
const WATCH_INTERVAL_MS = 500;
const START_FAILURES_MAX = 6;
const BACKOFF_MS_MAX = 5_000;

/**
 * Watches a server and starts it again, on the same port, when it is gone. It may have been adopted, and is then no child of ours: it is
 * looked at rather than waited for.
 */
export class ServerSupervisor implements SupervisedServer {
  restarts = 0;
  private readonly stopping = new AbortController();
  private readonly watching: Promise<void>;

  constructor(
    readonly name: string,
    private current: RunningServer,
    private readonly startAgain: (port: number, signal: AbortSignal) => Promise<RunningServer>,
    private readonly supervision: Supervision,
  ) {
    this.watching = this.watch();
  }

  get url(): string {
    return this.current.url;
  }

  get identity(): ProcessIdentity {
    return this.current.process;
  }

  get adopted(): boolean {
    return this.current.adopted;
  }

  async untilRunning(): Promise<void> {
    const { signal } = this.stopping;
    await pollUntil(async () => signal.aborted || (await isSameProcess(this.current.process)), { deadlineMs: REVIVAL_MS_MAX });
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.watching;
    await this.current.stop();
  }

  private async watch(): Promise<void> {
    const { signal } = this.stopping;
    try {
      while (!signal.aborted) {
        await this.untilGone(signal);
        if (signal.aborted) return;
        this.restarts += 1;
        this.supervision.onProgress(`${this.name} is gone; starting it again`);
        await this.revive();
        this.supervision.onChange();
      }
    } catch (error) {
      if (!signal.aborted) this.supervision.onGiveUp(this.givingUp(error));
    }
  }

  private async untilGone(signal: AbortSignal): Promise<void> {
    const { ended, process } = this.current;
    if (ended !== undefined) {
      await Promise.race([ended, aborted(signal)]);
      return;
    }
    while (!signal.aborted && (await isSameProcess(process))) await pause(WATCH_INTERVAL_MS, undefined, { signal });
  }

  private async revive(): Promise<void> {
    const { signal } = this.stopping;
    for (let failures = 0; ; failures += 1) {
      try {
        this.current = await this.startAgain(this.current.port, signal);
        return;
      } catch (error) {
        if (signal.aborted || failures + 1 >= START_FAILURES_MAX) throw error;
        await pause(Math.min(100 * 2 ** failures, BACKOFF_MS_MAX), undefined, { signal });
      }
    }
  }

  private givingUp(error: unknown): PlatformFault {
    const reason = error instanceof Error ? error.message : String(error);
    return new PlatformFault(
      'server-failed',
      `${this.name} is gone and does not start again:\n${reason}`,
      'nothing is lost; start again when the cause is gone.',
      { cause: error },
    );
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((settle) => {
    if (signal.aborted) settle();
    signal.addEventListener(
      'abort',
      () => {
        settle();
      },
      { once: true },
    );
  });
