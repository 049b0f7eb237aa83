import { idOf, type DomainEvent, type Notice } from '@taskmaster/contracts';
import {
  attemptKey,
  nameOfEvent,
  noticeEventOf,
  noticesOf,
  Relay,
  type EventStore,
  type Leadership,
  type OpenWork,
  type WorkRange,
} from '@taskmaster/event-log';
import { LogRegressed, systemTimers, WorkStreamLost, type EpochStore, type Timers, type WorkStream } from '@taskmaster/messaging';
import { Alarm } from './alarm.js';
import type { Commit, CommittedEvent } from './handle-command.js';
import type { SweepWorker } from './sweep.worker.js';

/** A replica that does not lead asks again this often. */
const LEAD_RETRY_MS = 500;
/** The leader's idle look at the log; commits wake it at once. */
const IDLE_MS = 5_000;
const STREAM_CHECK_MS = 1_000;
/** The first wait after the stream was lost; doubles up to the cap, and a connection that is made again ends it. */
const RECOVER_MS = 250;
const RECOVER_MS_MAX = 4_000;
const OPEN_WORK_PAGE = 500;

export interface RelayWorkerOptions {
  /** Asks for the lead; undefined when another process has it. While it leads, `onCommit` is told of commits of others. */
  readonly lead: (onCommit: () => void) => Promise<Leadership | undefined>;
  readonly store: EventStore;
  readonly openWork: OpenWork;
  readonly epochs: EpochStore;
  readonly stream: Pick<WorkStream, 'open' | 'publish' | 'check' | 'close'>;
  readonly sweeps: SweepWorker;
  readonly log: (what: string, fields: Readonly<Record<string, unknown>>) => void;
  /** The log lost commits that were published: nothing may go on without a human. */
  readonly onRegressed: (error: LogRegressed) => void;
  readonly timers?: Timers;
}

/** What ends the wait for whoever was told of an attempt. */
const ANSWERS: ReadonlySet<DomainEvent['type']> = new Set(['StepStarted', 'StepSucceeded', 'StepFailed', 'StepCancelled']);

function answeredBy({ type, stream, data }: CommittedEvent): readonly string[] {
  if (!ANSWERS.has(type)) return [];
  const { stepId, attempt } = data as { readonly stepId: string; readonly attempt: number };
  return [attemptKey(idOf(stream), stepId, attempt)];
}

/** One replica leads: it publishes notices in log order, watches the stream, and sweeps. Any number may try. */
export class RelayWorker {
  private relay: Relay | undefined;
  private stopping = false;
  private look = false;
  private interrupted = false;
  private readonly timers: Timers;
  private readonly work: Alarm;
  private readonly recovery: Alarm;
  private running: Promise<void> = Promise.resolve();
  private readonly due = new Map<string, number>();

  constructor(private readonly options: RelayWorkerOptions) {
    this.timers = options.timers ?? systemTimers;
    this.work = new Alarm(this.timers);
    this.recovery = new Alarm(this.timers);
  }

  /** Whether this process publishes: it leads, and the stream can be extended. */
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

  /** The broker is there again: a stream that was lost is opened at once. */
  reconnected(): void {
    this.recovery.ring();
  }

  /** A commit of this process; a leader publishes it without reading it back. */
  offer({ events, notices, told }: Pick<Commit, 'events' | 'notices' | 'told'>): void {
    const [first, last] = [events[0], events.at(-1)];
    if (this.relay === undefined || first === undefined || last === undefined) return;
    const range = { after: first.position - 1, upto: last.position, uptoEvent: nameOfEvent(last) };
    this.relay.offer({ ...range, notices, told, answered: events.flatMap(answeredBy) });
    this.work.ring();
  }

  /** Sends late notices again, at the place in the stream that has been reached. @returns whether it could */
  async republish(notices: readonly Notice[]): Promise<boolean> {
    try {
      await this.relay?.republish(notices);
      return this.relay !== undefined;
    } catch (error) {
      // Whoever publishes finds out as well, and opens the stream again.
      if (error instanceof WorkStreamLost) return false;
      throw error;
    }
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      const leadership = await this.options.lead(() => this.onCommit());
      if (leadership === undefined) await this.work.wait(LEAD_RETRY_MS);
      else await this.lead(leadership);
    }
    await this.options.stream.close();
  }

  private onCommit(): void {
    this.look = true;
    this.work.ring();
  }

  /** Publishing and sweeping are two lives: what is due is swept although the broker is away. */
  private async lead(leadership: Leadership): Promise<void> {
    let alive = true;
    void leadership.lost.then(() => {
      alive = false;
      this.rouse();
    });
    const goesOn = (): boolean => alive && !this.stopping;
    await Promise.all([this.publishWhile(goesOn), this.options.sweeps.runWhile(goesOn, () => leadership.check())]);
    await leadership.release();
  }

  private async publishWhile(goesOn: () => boolean): Promise<void> {
    let waitMs = RECOVER_MS;
    while (goesOn()) {
      try {
        await this.open();
        waitMs = RECOVER_MS;
        await this.publish(goesOn);
      } catch (error) {
        if (error instanceof LogRegressed) return this.giveUp(error);
        if (!this.interrupted) this.options.log('relay interrupted', { err: error });
        this.interrupted = true;
        this.relay = undefined;
        if (goesOn()) await this.recovery.wait(waitMs);
        waitMs = Math.min(waitMs * 2, RECOVER_MS_MAX);
      } finally {
        this.relay = undefined;
      }
    }
  }

  private giveUp(error: LogRegressed): void {
    this.stopping = true;
    this.rouse();
    this.options.onRegressed(error);
  }

  private async open(): Promise<void> {
    const { store, stream, epochs, log } = this.options;
    const opened = await stream.open(epochs, {
      head: () => store.head(),
      eventAt: async (position) => (await store.readAll(position - 1, 1)).map(nameOfEvent)[0],
      openWork: () => this.openWork(),
    });
    this.interrupted = false;
    log('relay leads', { epoch: opened.epoch, resumeAfter: opened.resumeAfter, redriven: opened.redriven });
    const relay: Relay = new Relay(
      {
        // The turn of what waited for a stream that was then opened again never comes: it is published from its new place.
        publish: (range: WorkRange) => (this.relay === relay ? stream.publish(range) : Promise.reject(new WorkStreamLost('opened again'))),
        readAll: (after, limit) => store.readAll(after, limit),
        now: () => this.timers.now(),
      },
      opened.resumeAfter,
    );
    this.relay = relay;
    this.look = true;
    this.due.clear();
  }

  private async publish(goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      const look = this.look || this.isDue('look', IDLE_MS);
      this.look = false;
      await this.relay?.drain(look);
      if (this.isDue('stream', STREAM_CHECK_MS)) await this.options.stream.check();
      if (goesOn()) await this.work.wait(Math.min(STREAM_CHECK_MS, this.untilDue()));
    }
  }

  /** Until something has to be published that was told ahead. */
  private untilDue(): number {
    return Math.max(0, (this.relay?.dueAt ?? Number.POSITIVE_INFINITY) - this.timers.now());
  }

  private isDue(name: string, everyMs: number): boolean {
    const now = this.timers.now();
    if (now < (this.due.get(name) ?? 0)) return false;
    this.due.set(name, now + everyMs);
    return true;
  }

  private async *openWork(): AsyncIterable<readonly Notice[]> {
    let after = 0;
    for (;;) {
      const events = await this.options.openWork.openWork({ after, upto: Number.MAX_SAFE_INTEGER }, OPEN_WORK_PAGE);
      const last = events.at(-1);
      if (last === undefined) return;
      yield noticesOf(events.map(noticeEventOf));
      after = last.position;
    }
  }

  private rouse(): void {
    this.work.ring();
    this.recovery.ring();
    this.options.sweeps.rouse();
  }
}
