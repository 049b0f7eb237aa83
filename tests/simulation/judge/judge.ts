import { hash } from 'node:crypto';
import type { StreamId, TenantId } from '@taskmaster/contracts';
import type { Tables } from '@taskmaster/event-log/in-memory';
import { ClientAnswers, HistoryChecker, type ClientRecord } from '@taskmaster/proof';
import type { StoredMessage, StreamState } from '../broker/jetstream.js';
import type { BrokerWitness } from '../broker/server.js';
import type { Trace } from '../trace.js';
import { checkRows } from './row-rules.js';
import { StreamRules } from './stream-rules.js';
import { WorkRules } from './work-rules.js';

/** Violations that one run reports; more would say nothing new. */
const VIOLATIONS_MAX = 10;

/** Watches one run: the log as it grows, the stream as it is written, the workers as they work. */
export class Judge implements BrokerWitness {
  readonly violations: string[] = [];
  readonly work: WorkRules;
  private stream: StreamRules;
  private readonly checker: HistoryChecker;
  private seen = 0;

  constructor(
    private readonly tables: Tables,
    private readonly trace: Trace,
    slotsMax: number,
  ) {
    const broken = this.broken.bind(this);
    this.work = new WorkRules(tables, broken);
    this.stream = new StreamRules(tables, broken);
    this.checker = new HistoryChecker({ sha256, slotsMax });
  }

  broken(rule: string, what: string): void {
    if (this.violations.length >= VIOLATIONS_MAX) return;
    this.violations.push(`${rule}: ${what}`);
    this.trace.note('judge', `${rule} BROKEN: ${what}`);
  }

  /** Looks at what was appended since it last looked. */
  look(): void {
    if (this.seen === this.tables.events.length) return;
    for (const event of this.tables.events.slice(this.seen)) {
      const { position, type, stream, version, hash: chained } = event;
      this.trace.note('log', `${String(position)} ${type} ${stream} ${String(version)} ${chained.slice(0, 8)}`);
      this.checker.see(event);
      this.work.see(event);
    }
    this.seen = this.tables.events.length;
    this.report(this.checker.violations);
  }

  private report(violations: readonly string[]): void {
    for (const violation of violations.slice(0, VIOLATIONS_MAX)) {
      if (this.violations.includes(violation)) continue;
      this.violations.push(violation);
      this.trace.note('judge', `BROKEN ${violation}`);
    }
  }

  stored(stream: string, message: StoredMessage): void {
    this.trace.note('nats', `${stream} ${String(message.sequence)} ${message.subject}`);
    this.stream.stored(stream, message);
  }

  purged(stream: string, removed: readonly StoredMessage[], left: number): void {
    this.stream.purged(stream, removed, left);
  }

  deleted(stream: string): void {
    this.stream.deleted(stream);
  }

  acknowledged(stream: string, consumer: string, message: StoredMessage): void {
    this.trace.note('nats', `${stream} ${String(message.sequence)} acknowledged`);
    this.stream.acknowledged(stream, consumer, message);
  }

  /** What is known of the streams, to be given back when they are replaced by this copy. */
  remember(): StreamRules {
    return this.stream.copy();
  }

  restored(disk: ReadonlyMap<string, StreamState>, remembered: StreamRules): void {
    this.stream.restored(disk, remembered);
  }

  /** What clients were told is in the log, and nothing is in it that nobody asked for. */
  clients(tenants: readonly TenantId[], recordsOf: (tenantId: TenantId) => readonly ClientRecord[], asked: ReadonlySet<string>): void {
    for (const tenantId of tenants) {
      const answers = new ClientAnswers(recordsOf(tenantId), tenantId);
      for (const event of this.tables.events) answers.see(event);
      answers.end();
      for (const { violations } of answers.findings) this.report(violations);
    }
    for (const { type, commandId, stream, actor } of this.tables.events)
      if (type === 'WorkflowRequested' && actor.kind === 'user' && !asked.has(commandId))
        this.broken('I3', `${stream} was requested by a command that nobody gave`);
  }

  /** After quiet: rows, quotas and stream are what the log says they are. */
  atRest(disk: ReadonlyMap<string, StreamState>): void {
    this.look();
    for (const { violations } of this.checker.report()) this.report(violations);
    checkRows(this.tables, this.broken.bind(this));
    for (const unrest of this.stream.unrest(disk)) this.broken('I11', unrest);
  }

  isStreamAtRest(disk: ReadonlyMap<string, StreamState>): boolean {
    return this.stream.unrest(disk).length === 0;
  }

  /** The workflows that have not ended although they should: not those that somebody paused and nobody resumed. */
  get unfinished(): readonly string[] {
    return [...this.tables.workflows.values()]
      .filter(({ endedAt, status, stream }) => endedAt === null && (status !== 'paused' || this.isCancelling(stream)))
      .map(({ stream, state, status }) => `${stream} is ${state} and ${status}`);
  }

  private isCancelling(stream: StreamId): boolean {
    return this.tables.eventsOf.get(stream)?.some(({ type }) => type === 'WorkflowCancellationRequested') === true;
  }
}

const sha256 = (text: string): string => hash('sha256', text);
