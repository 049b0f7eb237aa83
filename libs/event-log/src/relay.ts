import {
  eventIdOf,
  idOf,
  type JsonObject,
  type Notice,
  type StepId,
  type StepKind,
  type StreamId,
  type TenantId,
  type WorkflowId,
} from '@taskmaster/contracts';
import type { StoredEvent } from './readers.js';

/** Events of one read of the log. */
export const RELAY_READ_MAX = 500;
/** Commits of this process that wait to be published without being read back; beyond that they are read from the log. */
export const RELAY_OFFERS_MAX = 256;

/** What a notice is made from, whether the event was read or just committed. */
export interface NoticeEvent {
  readonly position: number;
  readonly stream: StreamId;
  readonly version: number;
  readonly tenantId: TenantId;
  readonly type: string;
  readonly correlationId: string;
  readonly traceparent?: string;
  readonly data: unknown;
}

interface Readied {
  readonly stepId: StepId;
  readonly attempt: number;
  readonly kind: StepKind;
  readonly input: JsonObject;
}

/** The notices among events, in their order. */
export function noticesOf(events: readonly NoticeEvent[]): readonly Notice[] {
  const notices: Notice[] = [];
  for (const event of events) {
    if (event.type !== 'StepReadied') continue;
    const { stepId, attempt, kind, input } = event.data as Readied;
    notices.push({
      eventId: eventIdOf(event.stream, event.version),
      position: event.position,
      tenantId: event.tenantId,
      workflowId: idOf(event.stream) as WorkflowId,
      stepId,
      attempt,
      kind,
      input,
      correlationId: event.correlationId,
      ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
    });
  }
  return notices;
}

/** A stored event with its data parsed only where a notice needs it. */
export const noticeEventOf = (stored: StoredEvent): NoticeEvent => ({
  ...stored,
  data: stored.type === 'StepReadied' ? JSON.parse(stored.dataText) : null,
});

/** Tells an event from another that took its position after the log went backwards: that one was decided at another time. */
export const nameOfEvent = ({ stream, version, occurredAt }: Pick<StoredEvent, 'stream' | 'version' | 'occurredAt'>): string =>
  `${stream}/${String(version)}/${occurredAt}`;

/** A run of the log without a hole, and the notices in it. */
export interface WorkRange {
  readonly after: number;
  readonly upto: number;
  /** The name of the event at `upto`; absent when the run is empty. */
  readonly uptoEvent?: string;
  readonly notices: readonly Notice[];
}

/** A commit of this process. */
export interface OfferedRange extends WorkRange {
  /** Notices that the answer told to who does such work, beside `notices`: they are published when they stay unanswered. */
  readonly told: readonly Notice[];
  /** The attempts that it answers the notices of (`attemptKey`). */
  readonly answered: readonly string[];
}

/** Names an attempt within the log. */
export const attemptKey = (workflowId: string, stepId: string, attempt: number): string => `${workflowId} ${stepId} ${String(attempt)}`;

/** Whoever was told ahead has this long to answer before the stream tells it, to everybody; less than a lost message waits. */
export const TOLD_MS = 200;

/** What is left of a run of the log that the stream does not cover yet. */
interface Tail {
  readonly upto: number;
  readonly uptoEvent: string | undefined;
  /** Told and not answered, by attempt. */
  readonly told: Map<string, Notice>;
  readonly until: number;
}

export interface RelayPorts {
  /** Publishes ranges in order, each where the one before it ended. Their notices may be of positions that only a later one covers. */
  publish(range: WorkRange): Promise<void>;
  readAll(afterPosition: number, limit: number): Promise<readonly StoredEvent[]>;
  /** Milliseconds, for how long something has waited. */
  now(): number;
}

/**
 * Publishes the log in order from a position on. A commit that this process made is published as it was handed in when it follows
 * directly; anything else is read from the log. What is published covers the log up to the first notice that was told ahead and is
 * neither answered nor published.
 */
export class Relay {
  private readonly offers = new Map<number, OfferedRange>();
  private known: number;
  private covered: number;
  private readonly tail: Tail[] = [];
  private readonly told = new Map<string, Map<string, Notice>>();
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly ports: RelayPorts,
    private position: number,
  ) {
    this.known = position;
    this.covered = position;
  }

  /** A commit of this process, to be published without reading it back. */
  offer(range: OfferedRange): void {
    this.known = Math.max(this.known, range.upto);
    if (range.after < this.position || this.offers.size >= RELAY_OFFERS_MAX) return;
    this.offers.set(range.after, range);
  }

  /** When something has to be published that was told ahead, as `now`; undefined when nothing waits. */
  get dueAt(): number | undefined {
    return this.tail[0]?.until;
  }

  /** Publishes all that is known to be committed; with `look`, asks the log whether there is more. */
  drain(look: boolean): Promise<void> {
    return this.inTurn(async () => {
      await this.publishKnown(look);
      await this.publishUnanswered();
    });
  }

  /** Publishes late notices once more, at the place that has been reached. */
  republish(notices: readonly Notice[]): Promise<void> {
    return this.inTurn(() => this.ports.publish({ after: this.covered, upto: this.covered, notices }));
  }

  /** Ranges follow one another, so only one thing is published at a time. */
  private inTurn(publish: () => Promise<void>): Promise<void> {
    const mine = this.turn.then(publish);
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  private async publishKnown(look: boolean): Promise<void> {
    let ask = look;
    while (ask || this.known > this.position) {
      const offered = this.takeOffer();
      if (offered !== undefined) await this.publish(offered);
      else ask = await this.publishRead(ask);
    }
  }

  private takeOffer(): OfferedRange | undefined {
    const offered = this.offers.get(this.position);
    if (offered !== undefined) this.offers.delete(this.position);
    return offered;
  }

  /** Reads on from the position; whether there may be more than one read holds. */
  private async publishRead(ask: boolean): Promise<boolean> {
    const events = await this.ports.readAll(this.position, RELAY_READ_MAX);
    const last = events.at(-1);
    if (last === undefined) {
      // Nothing is there although a commit was announced: it is not visible yet, and its own wake-up follows.
      this.known = this.position;
      return false;
    }
    await this.publish({
      after: this.position,
      upto: last.position,
      uptoEvent: nameOfEvent(last),
      notices: noticesOf(events.map(noticeEventOf)),
      told: [],
      answered: [],
    });
    return ask && events.length === RELAY_READ_MAX;
  }

  private async publish({ upto, uptoEvent, notices, told, answered }: OfferedRange): Promise<void> {
    for (const key of answered) {
      this.told.get(key)?.delete(key);
      this.told.delete(key);
    }
    const open = new Map(told.map((notice) => [attemptKey(notice.workflowId, notice.stepId, notice.attempt), notice]));
    for (const key of open.keys()) this.told.set(key, open);
    this.tail.push({ upto, uptoEvent, told: open, until: this.ports.now() + TOLD_MS });
    this.position = upto;
    for (const after of this.offers.keys()) if (after < upto) this.offers.delete(after);
    await this.cover(notices);
  }

  /** What nobody answered who was told: everybody is told. */
  private async publishUnanswered(): Promise<void> {
    const now = this.ports.now();
    if ((this.dueAt ?? Number.POSITIVE_INFINITY) > now) return;
    const late = this.tail.filter(({ until }) => until <= now).flatMap(({ told }) => [...told.values()]);
    for (const { told, until } of this.tail) if (until <= now) told.clear();
    for (const { workflowId, stepId, attempt } of late) this.told.delete(attemptKey(workflowId, stepId, attempt));
    await this.cover(late);
  }

  /** Publishes notices, and that the log is covered as far as nothing waits. */
  private async cover(notices: readonly Notice[]): Promise<void> {
    const after = this.covered;
    let done = 0;
    while (this.tail[done]?.told.size === 0) done += 1;
    const [last] = this.tail.splice(0, done).slice(-1);
    this.covered = last?.upto ?? after;
    if (notices.length === 0 && this.covered === after) return;
    await this.ports.publish({
      ...{ after, upto: this.covered, notices },
      ...(last?.uptoEvent === undefined ? {} : { uptoEvent: last.uptoEvent }),
    });
  }
}
