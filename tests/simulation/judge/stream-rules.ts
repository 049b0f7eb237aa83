import {
  eventIdOf,
  HEADER_AFTER,
  HEADER_EPOCH,
  HEADER_UPTO,
  kindGroupOf,
  workStreamOf,
  type NoticeMessage,
  type StepKind,
} from '@taskmaster/contracts';
import type { StepRow, Tables } from '@taskmaster/event-log/in-memory';
import type { StoredMessage, StreamState } from '../broker/jetstream.js';

/** What is known of one stream from its messages alone. */
interface Cover {
  upto: number;
  /** Sequences that a consumer acknowledged. */
  readonly acknowledged: Set<number>;
  readonly notices: Set<string>;
}

/** Told of a broken rule by its name: I and a number for an invariant of docs/architecture.md. */
type Break = (rule: string, what: string) => void;

/**
 * I11: in an epoch's stream the covered positions follow one another without a hole, and every notice of what is covered is
 * there or was answered before, by whoever was told ahead.
 * And the rules of the way back: only what is answered is acknowledged, only what is acknowledged is purged.
 */
export class StreamRules {
  private covers = new Map<string, Cover>();

  constructor(
    private readonly tables: Tables,
    private readonly broken: Break,
  ) {}

  stored(stream: string, message: StoredMessage): void {
    const header = (name: string): number => Number(message.headers?.get(name) ?? Number.NaN);
    const [after, upto, epoch] = [header(HEADER_AFTER), header(HEADER_UPTO), header(HEADER_EPOCH)];
    const cover = this.covers.get(stream) ?? { upto: 0, notices: new Set<string>(), acknowledged: new Set<number>() };
    this.covers.set(stream, cover);
    const at = `${stream} ${String(message.sequence)}`;
    if (stream !== workStreamOf(epoch)) this.broken('I11', `${at} carries the epoch ${String(epoch)}`);
    if (after !== cover.upto)
      this.broken('I11', `${at} goes on after ${String(after)}, the message before it covers up to ${String(cover.upto)}`);
    if (upto < after) this.broken('I11', `${at} covers ${String(after)} to ${String(upto)}`);
    for (const { eventId, position } of noticesIn(message)) {
      const event = this.tables.events[position - 1];
      if (event?.type !== 'StepReadied' || eventIdOf(event.stream, event.version) !== eventId)
        this.broken('I11', `${at} tells of position ${String(position)}, which the log does not have`);
      cover.notices.add(eventId);
    }
    if (upto > after) this.wholly(at, cover, upto);
    cover.upto = upto;
  }

  /** Every notice of the positions that are now covered is in the stream, unless it is answered. */
  private wholly(at: string, cover: Cover, upto: number): void {
    if (upto > this.tables.events.length)
      this.broken('I11', `${at} covers up to ${String(upto)}, the log ends at ${String(this.tables.events.length)}`);
    for (const event of this.tables.events.slice(cover.upto, upto)) {
      if (event.type !== 'StepReadied') continue;
      const { stepId, kind } = JSON.parse(event.dataText) as { readonly stepId: string; readonly kind: StepKind };
      const group = kindGroupOf(kind);
      if (group === undefined || cover.notices.has(eventIdOf(event.stream, event.version))) continue;
      // Only what may be told ahead, or began an epoch, is left out because it is answered.
      const mustBeThere = group !== 'command' && cover.upto > 0;
      if (mustBeThere || this.isOpen(this.tables.steps.get(`${event.stream} ${stepId}`), event.version))
        this.broken('I11', `${at} covers position ${String(event.position)}, whose notice is nowhere`);
    }
  }

  /** An acknowledged notice has been answered: its attempt was started, settled, or is no longer wanted. */
  acknowledged(stream: string, consumer: string, message: StoredMessage): void {
    this.covers.get(stream)?.acknowledged.add(message.sequence);
    for (const notice of noticesIn(message)) {
      if (this.isUnanswered(notice))
        this.broken(
          'acknowledged',
          `${consumer} acknowledged ${notice.stepId} of ${notice.workflowId} at ${String(notice.position)} unanswered`,
        );
    }
  }

  purged(stream: string, removed: readonly StoredMessage[], left: number): void {
    if (left === 0) this.broken('I11', `${stream} was purged to its end`);
    const acknowledged = this.covers.get(stream)?.acknowledged;
    for (const { sequence, payload } of removed)
      if (acknowledged?.has(sequence) !== true && payload !== MARKER_PAYLOAD)
        this.broken('purged', `${stream} was purged of ${String(sequence)} unacknowledged`);
  }

  private isUnanswered({ workflowId, stepId, eventId }: NoticeMessage['notices'][number]): boolean {
    const stream = `workflow-${workflowId}` as StepRow['stream'];
    const row = this.tables.steps.get(`${stream} ${stepId}`);
    return this.isOpen(row, row?.readyVersion ?? 0) && eventIdOf(stream, row?.readyVersion ?? 0) === eventId;
  }

  /** Whether somebody is to do that attempt now. What waits for a slot is readied again when it has one. */
  private isOpen(row: StepRow | undefined, version: number): boolean {
    if (row?.status !== 'ready' || row.readyVersion !== version || row.dueAt === null) return false;
    return this.tables.workflows.get(row.stream)?.queuedAt === null;
  }

  /** The stream was replaced by an older copy: what is known of it is what that copy tells. */
  restored(disk: ReadonlyMap<string, StreamState>, remembered: StreamRules): void {
    const before = this.covers;
    this.covers = new Map();
    for (const name of disk.keys()) {
      const known = remembered.covers.get(name);
      if (known === undefined) continue;
      // Its consumers may be newer than the copy.
      const acknowledged = new Set([...known.acknowledged, ...(before.get(name)?.acknowledged ?? [])]);
      this.covers.set(name, { ...copyOf(known), acknowledged });
    }
  }

  copy(): StreamRules {
    const copy = new StreamRules(this.tables, this.broken);
    for (const [name, cover] of this.covers) copy.covers.set(name, copyOf(cover));
    return copy;
  }

  deleted(stream: string): void {
    this.covers.delete(stream);
  }

  /** After quiet: the stream of the epoch ends where the log does, and nobody owes an answer. What is not so, in sentences. */
  unrest(disk: ReadonlyMap<string, StreamState>): readonly string[] {
    const name = workStreamOf(this.tables.epoch.epoch);
    const stream = disk.get(name);
    if (stream === undefined) return [`there is no stream ${name}`];
    const head = this.tables.events.length;
    const upto = this.covers.get(name)?.upto ?? 0;
    const unrest = upto === head ? [] : [`${name} ends at ${String(upto)}, the log at ${String(head)}`];
    for (const [consumer, { delivered, pending }] of stream.consumers) {
      if (delivered > stream.lastSequence) unrest.push(`${consumer} is ahead of its stream`);
      if (pending.size > 0) unrest.push(`${consumer} owes ${String(pending.size)} answers`);
    }
    return unrest;
  }
}

const MARKER_PAYLOAD = '{"notices":[]}';

const copyOf = ({ upto, notices, acknowledged }: Cover): Cover => ({
  upto,
  notices: new Set(notices),
  acknowledged: new Set(acknowledged),
});

const noticesIn = ({ payload }: StoredMessage): NoticeMessage['notices'] => (JSON.parse(payload) as NoticeMessage).notices;
