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

export interface RelayPorts {
  /** Publishes ranges in order, each where the one before it ended. */
  publish(range: WorkRange): Promise<void>;
  readAll(afterPosition: number, limit: number): Promise<readonly StoredEvent[]>;
}

/**
 * Publishes the log in order from a position on. A commit that this process made is published as it was handed in when it follows
 * directly; anything else is read from the log.
 */
export class Relay {
  private readonly offers = new Map<number, WorkRange>();
  private known: number;
  private turn: Promise<void> = Promise.resolve();

  constructor(
    private readonly ports: RelayPorts,
    private position: number,
  ) {
    this.known = position;
  }

  /** A commit of this process, to be published without reading it back. */
  offer(range: WorkRange): void {
    this.known = Math.max(this.known, range.upto);
    if (range.after < this.position || this.offers.size >= RELAY_OFFERS_MAX) return;
    this.offers.set(range.after, range);
  }

  /** Publishes all that is known to be committed; with `look`, asks the log whether there is more. */
  drain(look: boolean): Promise<void> {
    return this.inTurn(() => this.publishKnown(look));
  }

  /** Publishes late notices once more, at the place that has been reached. */
  republish(notices: readonly Notice[]): Promise<void> {
    return this.inTurn(() => this.ports.publish({ after: this.position, upto: this.position, notices }));
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

  private takeOffer(): WorkRange | undefined {
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
    });
    return ask && events.length === RELAY_READ_MAX;
  }

  private async publish(range: WorkRange): Promise<void> {
    await this.ports.publish(range);
    this.position = range.upto;
    for (const after of this.offers.keys()) if (after < this.position) this.offers.delete(after);
  }
}
