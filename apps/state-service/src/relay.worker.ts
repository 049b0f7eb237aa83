import type { Notice } from '@taskmaster/contracts';
import {
  noticeEventOf,
  noticesOf,
  openWork,
  PostgresEpochStore,
  Relay,
  tryLead,
  type EventStore,
  type Leadership,
  type Pools,
  type WorkRange,
} from '@taskmaster/event-log';
import { LogRegressed, type WorkStream } from '@taskmaster/messaging';
import type { CommittedEvent } from './handle-command.js';

const RELAY_LOCK = 1;
/** A replica that does not lead asks again this often. */
const LEAD_RETRY_MS = 500;
/** The leader's idle look at the log; commits wake it at once. */
const IDLE_MS = 1_000;
const SWEEP_STEPS_MS = 500;
const SWEEP_WORKFLOWS_MS = 2_000;
const STREAM_CHECK_MS = 500;
const LEADER_CHECK_MS = 2_000;
const RECOVER_MS = 250;
const OPEN_WORK_PAGE = 500;

export interface RelayWorkerOptions {
  readonly url: string;
  readonly pools: Pools;
  readonly store: EventStore;
  readonly stream: WorkStream;
  readonly sweeps: {
    readonly steps: () => Promise<unknown>;
    readonly workflows: () => Promise<unknown>;
    readonly admission: () => Promise<unknown>;
  };
  readonly log: (what: string, fields: Readonly<Record<string, unknown>>) => void;
  /** The log lost commits that were published: nothing may go on without a human. */
  readonly onRegressed: (error: LogRegressed) => void;
}

/** One replica leads: it publishes notices in log order, looks for due timers and watches the stream. Any number may try. */
export class RelayWorker {
  private relay: Relay | undefined;
  private leadership: Leadership | undefined;
  private stopping = false;
  private wake: () => void = () => undefined;
  private woken = false;
  private look = false;
  private running: Promise<void> = Promise.resolve();
  private readonly due = new Map<string, number>();

  constructor(private readonly options: RelayWorkerOptions) {}

  get leads(): boolean {
    return this.relay !== undefined;
  }

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.rouse();
    await this.running;
  }

  /** A commit of this process; a leader publishes it without reading it back. */
  offer(events: readonly CommittedEvent[]): void {
    const [first, last] = [events[0], events.at(-1)];
    if (this.relay === undefined || first === undefined || last === undefined) return;
    this.relay.offer({ after: first.position - 1, upto: last.position, notices: noticesOf(events) });
    this.rouse();
  }

  /** Sends late notices again, at the place in the stream that has been reached. */
  async republish(notices: readonly Notice[]): Promise<void> {
    const { relay } = this;
    if (relay === undefined || notices.length === 0) return;
    await this.options.stream.publish({ after: relay.publishedUpto, upto: relay.publishedUpto, notices });
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      try {
        this.leadership ??= await tryLead(this.options.url, RELAY_LOCK, (backend) => this.onCommit(backend));
        if (this.leadership === undefined) await this.pause(LEAD_RETRY_MS);
        else await this.lead(this.leadership);
      } catch (error) {
        if (error instanceof LogRegressed) {
          this.options.onRegressed(error);
          break;
        }
        this.options.log('relay interrupted', { err: error });
        await this.pause(RECOVER_MS);
      } finally {
        this.relay = undefined;
      }
      if (this.leadership !== undefined && !(await this.leadership.check())) this.leadership = undefined;
    }
    await this.options.stream.close();
    await this.leadership?.release();
  }

  private onCommit(backend: number): void {
    if (this.options.pools.isOwnBackend(backend)) return;
    this.look = true;
    this.rouse();
  }

  private async lead(leadership: Leadership): Promise<void> {
    const { store, stream, pools, log } = this.options;
    const opened = await stream.open(new PostgresEpochStore(pools.write), { head: () => store.head(), openWork: () => this.openWork() });
    log('relay leads', { epoch: opened.epoch, resumeAfter: opened.resumeAfter, redriven: opened.redriven });
    const relay = new Relay(
      { publish: (range: WorkRange) => stream.publish(range), readAll: (after, limit) => store.readAll(after, limit) },
      opened.resumeAfter,
    );
    this.relay = relay;
    this.due.clear();
    let alive = true;
    void leadership.lost.then(() => {
      alive = false;
      this.rouse();
    });
    this.look = true;
    while (!this.stopping && alive) {
      const look = this.look || this.isDue('look', IDLE_MS);
      this.look = false;
      await relay.drain(look);
      await this.sweep(leadership);
      await this.pause(SWEEP_STEPS_MS);
    }
  }

  private async sweep(leadership: Leadership): Promise<void> {
    const { sweeps, stream } = this.options;
    if (this.isDue('steps', SWEEP_STEPS_MS)) await sweeps.steps();
    if (this.isDue('workflows', SWEEP_WORKFLOWS_MS)) await Promise.all([sweeps.workflows(), sweeps.admission()]);
    if (this.isDue('stream', STREAM_CHECK_MS)) await stream.check();
    if (this.isDue('leader', LEADER_CHECK_MS)) await leadership.check();
  }

  private isDue(name: string, everyMs: number): boolean {
    const now = performance.now();
    if (now < (this.due.get(name) ?? 0)) return false;
    this.due.set(name, now + everyMs);
    return true;
  }

  private async *openWork(): AsyncIterable<readonly Notice[]> {
    let after = 0;
    for (;;) {
      const events = await openWork(this.options.pools.write, { after, upto: Number.MAX_SAFE_INTEGER }, OPEN_WORK_PAGE);
      const last = events.at(-1);
      if (last === undefined) return;
      yield noticesOf(events.map(noticeEventOf));
      after = last.position;
    }
  }

  private rouse(): void {
    this.woken = true;
    this.wake();
  }

  private async pause(ms: number): Promise<void> {
    if (!this.woken && !this.stopping) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.woken = false;
  }
}
