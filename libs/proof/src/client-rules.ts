import { clientCommandId, type TenantId } from '@taskmaster/contracts';
import type { LoggedEvent } from './chain.js';
import type { AcceptedRecord, ClientRecord, FollowedRecord, RefusedRecord, SeenRecord } from './client-records.js';
import { Findings, type LogRule } from './invariant.js';

/** What the rule reads of an event: a page of the log over HTTP has it as well. */
export type PlacedEvent = Pick<LoggedEvent, 'position' | 'stream' | 'version' | 'tenantId' | 'type' | 'commandId'>;

type Answer = AcceptedRecord | RefusedRecord;

interface Feed {
  readonly opened: FollowedRecord;
  readonly seen: SeenRecord[];
  /** The next of `seen` to be met in the log. */
  next: number;
}

/** Events about keys and roles are shown to administrators only, so a feed may leave them out. */
const isConfidential = (stream: string): boolean => stream.startsWith('access-');

/**
 * I4: what a client was told is in the log. Every acceptance has its event, of that command, at that place; a refused command left
 * nothing; a command that was sent twice got one answer; what came on a live feed is a prefix of the log after the feed's start.
 */
export class ClientAnswers implements LogRule {
  private readonly told = new Findings(4, 'what a client was told is in the log');
  readonly findings = [this.told];
  private readonly answers = new Map<string, Answer>();
  private readonly promised = new Map<number, AcceptedRecord[]>();
  /** The keys of refused commands, by command id. */
  private readonly refused = new Map<string, string>();
  private readonly feeds = new Map<string, Feed>();

  /** @param tenantId whose clients kept the records */
  constructor(
    records: Iterable<ClientRecord>,
    private readonly tenantId: TenantId,
  ) {
    for (const record of records) this.note(record);
  }

  see(event: PlacedEvent): void {
    for (const record of this.promised.get(event.position) ?? []) this.fulfilled(record, event);
    this.promised.delete(event.position);
    if (event.tenantId !== this.tenantId) return;
    const key = this.refused.get(event.commandId);
    if (key !== undefined) this.told.check(false, () => `the command of key ${key} was refused and made ${placeOf(event)}`);
    for (const feed of this.feeds.values()) this.passes(feed, event);
  }

  end(): void {
    for (const records of this.promised.values()) {
      for (const record of records) this.told.check(false, () => `${promiseOf(record)}, where the log has nothing`);
    }
    for (const { opened, seen, next } of this.feeds.values()) {
      const left = seen[next];
      if (left !== undefined) this.told.check(false, () => `feed ${opened.feed} saw ${placeOf(left)}, which is not in the log`);
    }
  }

  private note(record: ClientRecord): void {
    switch (record.kind) {
      case 'accepted':
      case 'refused':
        this.answered(record);
        break;
      case 'followed':
        this.told.check(!this.feeds.has(record.feed), () => `feed ${record.feed} was opened twice`);
        this.feeds.set(record.feed, { opened: record, seen: [], next: 0 });
        break;
      case 'seen':
        this.seen(record);
    }
  }

  private answered(answer: Answer): void {
    const first = this.answers.get(answer.key);
    if (first !== undefined) {
      this.told.check(textOf(first) === textOf(answer), () => `key ${answer.key} was answered "${textOf(first)}" and "${textOf(answer)}"`);
      return;
    }
    this.answers.set(answer.key, answer);
    if (answer.kind === 'refused') {
      this.refused.set(clientCommandId(this.tenantId, answer.key), answer.key);
      return;
    }
    if (answer.position === 0) return;
    const known = this.promised.get(answer.position);
    if (known === undefined) this.promised.set(answer.position, [answer]);
    else known.push(answer);
  }

  private fulfilled(record: AcceptedRecord, event: PlacedEvent): void {
    const holds =
      event.tenantId === this.tenantId &&
      event.stream === record.stream &&
      event.version === record.version &&
      event.commandId === clientCommandId(this.tenantId, record.key);
    this.told.check(holds, () => `${promiseOf(record)}, where the log has ${placeOf(event)} of command ${event.commandId}`);
  }

  private seen(record: SeenRecord): void {
    const feed = this.feeds.get(record.feed);
    if (feed === undefined) {
      this.told.check(false, () => `feed ${record.feed} saw ${placeOf(record)} before it was opened`);
      return;
    }
    const before = feed.seen.at(-1)?.position ?? feed.opened.after;
    this.told.check(record.position > before, () => `feed ${record.feed} saw position ${String(record.position)} after ${String(before)}`);
    // What came out of order was reported; the rest is compared in the order of the log.
    if (record.position > before) feed.seen.push(record);
  }

  /** Whether the feed has what the log has, up to where the feed ended. */
  private passes(feed: Feed, event: PlacedEvent): void {
    const { opened, seen } = feed;
    if (event.position <= opened.after || (opened.stream !== undefined && event.stream !== opened.stream)) return;
    let next = seen[feed.next];
    while (next !== undefined && next.position < event.position) {
      const stray = next;
      this.told.check(false, () => `feed ${opened.feed} saw ${placeOf(stray)}, which is not in the log`);
      feed.next += 1;
      next = seen[feed.next];
    }
    if (next === undefined) return;
    if (next.position > event.position) {
      if (!isConfidential(event.stream)) this.told.check(false, () => `feed ${opened.feed} missed ${placeOf(event)}`);
      return;
    }
    feed.next += 1;
    const shown = next;
    this.told.check(placeOf(shown) === placeOf(event), () => `feed ${opened.feed} saw ${placeOf(shown)}, the log has ${placeOf(event)}`);
  }
}

const textOf = (answer: Answer): string =>
  answer.kind === 'accepted'
    ? `accepted as ${answer.stream} version ${String(answer.version)} at ${String(answer.position)}`
    : `refused for ${answer.stream}: ${answer.code}`;

const promiseOf = (record: AcceptedRecord): string => `key ${record.key} was ${textOf(record)}`;

const placeOf = ({ position, stream, version, type }: Pick<SeenRecord, 'position' | 'stream' | 'version' | 'type'>): string =>
  `${type} at ${String(position)} (${stream} version ${String(version)})`;
