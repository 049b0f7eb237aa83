import { hash } from 'node:crypto';
import {
  deriveUuid,
  isClientCommandType,
  type CommandAnswer,
  type CommandEnvelope,
  type DomainEvent,
  type Notice,
  type StreamId,
  type TenantId,
  type Timestamp,
} from '@taskmaster/contracts';
import {
  Batcher,
  noticesOf,
  tenantQuotaKey,
  type EarlierAnswer,
  type EventStore,
  type GroupOutcome,
  type QuotaCount,
} from '@taskmaster/event-log';
import type { Agent } from '@taskmaster/workflow';
import {
  agentKeyOf,
  decideStream,
  type Answer,
  type DecidedStream,
  type DecidingContext,
  type OnReadied,
  type Pending,
  type RememberedAnswer,
} from './decide-stream.js';
import { absentEntry, type Entry } from './entry.js';
import { StreamLoader } from './stream-loader.js';

/** How often one stream's commands are decided again after a conflict or a full limit, before the caller is told to ask again. */
export const APPEND_ATTEMPTS_MAX = 8;
/** Commands of one append. */
export const BATCH_COMMANDS_MAX = 256;

/** One event of a commit, as the relay and the feed want it. */
export interface CommittedEvent {
  readonly position: number;
  readonly stream: StreamId;
  readonly version: number;
  readonly tenantId: TenantId;
  readonly type: DomainEvent['type'];
  readonly data: DomainEvent['data'];
  /** The text that was stored. */
  readonly dataText: string;
  readonly occurredAt: Timestamp;
  readonly correlationId: string;
  readonly traceparent?: string;
}

/** What one append came to. */
export interface Commit {
  /** Positions without a hole, in order. */
  readonly events: readonly CommittedEvent[];
  /** Of what they made ready, in their order, but for those that were told. */
  readonly notices: readonly Notice[];
  /** Those that an answer tells to who does such work. */
  readonly told: readonly Notice[];
  /** What each of their streams came to. */
  readonly after: ReadonlyMap<StreamId, Entry>;
}

export interface HandlerOptions {
  readonly store: EventStore;
  /** `MAX_CONCURRENT_WORKFLOWS`, per tenant. */
  readonly slotsMax: number;
  readonly clock: () => Timestamp;
  /** Whether this process relays the log, so that its commits need wake nobody. */
  readonly leads?: () => boolean;
  /** Told of what became ready and no answer tells of; says whether it is done in this process, and needs no message. */
  readonly takesHere?: ((notice: Notice) => boolean) | undefined;
  /** Told of every commit of this process. */
  readonly onCommitted?: (commit: Commit) => void;
  /** Told of the quota rows a commit touched. */
  readonly onQuotas?: (quotas: readonly QuotaCount[]) => void;
  /** Told of what went wrong; the command is answered `fault`. */
  readonly onFault?: (fault: {
    readonly detail: string;
    readonly error?: unknown;
    readonly stream?: string;
    readonly commandId?: string;
  }) => void;
  readonly cachedStreamsMax?: number;
  /** Calls back when everything that one read of a socket brought is handled. */
  readonly soon?: (callback: () => void) => void;
}

type Batch = Map<StreamId, readonly Pending[]>;

const byStream = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

/**
 * The one caller of append. What arrives while a batch is in flight forms the next one; a stream's commands fold on one another in
 * order, and every answer, also a no, is given only after the append proved that it was decided on the current version.
 */
export class CommandHandler {
  readonly loader: StreamLoader;
  private readonly batcher: Batcher<Pending>;
  private readonly inFlight = new Map<string, { readonly asked: string; readonly answer: Promise<Answer> }>();
  private readonly slotsFree = new Map<string, boolean>();

  constructor(private readonly options: HandlerOptions) {
    this.loader = new StreamLoader(options.store, options.cachedStreamsMax);
    this.batcher = new Batcher<Pending>({
      itemsMax: BATCH_COMMANDS_MAX,
      keyOf: ({ envelope }) => envelope.stream,
      // In the order of the streams: what two replicas append at once takes its locks in one order.
      run: (batch) => this.run(new Map([...batch].sort(byStream)) as Batch),
      ...(options.soon === undefined ? {} : { soon: options.soon }),
    });
  }

  /** Decides and records one command. Never rejects: what could not be decided is answered `fault`. */
  handle(envelope: CommandEnvelope, onReadied?: OnReadied): Promise<Answer> {
    if (!isClientCommandType(envelope.command.type)) return this.enqueue(envelope, onReadied);
    const asked = askedBy(envelope);
    const first = this.inFlight.get(envelope.id);
    if (first?.asked === asked) return first.answer.then(repeated);
    // Another command under the same key: what the log keeps of the first one decides.
    if (first !== undefined) return first.answer.then(() => this.handle(envelope, onReadied));
    const answer = this.enqueue(envelope, onReadied, asked).finally(() => this.inFlight.delete(envelope.id));
    this.inFlight.set(envelope.id, { asked, answer });
    return answer;
  }

  /** Resolves when everything that was handed in is answered. */
  idle(): Promise<void> {
    return this.batcher.idle();
  }

  private enqueue(envelope: CommandEnvelope, onReadied: OnReadied | undefined, asked?: string): Promise<Answer> {
    return new Promise((resolve) => {
      this.batcher.add({ envelope, asked, answer: resolve, onReadied, slotTaken: false, agentTaken: false });
    });
  }

  private async run(batch: Batch): Promise<void> {
    let work = batch;
    let stale: ReadonlySet<StreamId> = new Set();
    try {
      for (let attempt = 1; work.size > 0 && attempt <= APPEND_ATTEMPTS_MAX; attempt += 1) {
        const round = await this.round(work, stale);
        work = round.again;
        stale = round.stale;
      }
      this.fault(work, 'too many other writers on this stream');
    } catch (error) {
      // Nobody knows what was committed, so what is cached of these streams may be old.
      for (const stream of work.keys()) this.loader.forget(stream);
      this.fault(work, error instanceof Error ? error.message : String(error), error);
    }
  }

  /** Loads, decides and appends once; what is to be decided again comes back. */
  private async round(
    work: Batch,
    stale: ReadonlySet<StreamId>,
  ): Promise<{ readonly again: Batch; readonly stale: ReadonlySet<StreamId> }> {
    const entries = await this.entries(work, stale);
    const context = await this.context(work);
    const decided = [...work].map(([stream, pendings]) => decideStream(entries.get(stream) ?? absentEntry(stream), pendings, context));
    const outcome = await this.options.store.append(
      decided.map(({ group }) => group),
      this.options.leads?.() !== true,
    );
    this.noteQuotas(outcome.quotas);
    const again: Batch = new Map();
    const conflicts = new Set<StreamId>();
    const committed: CommittedEvent[] = [];
    const after = new Map<StreamId, Entry>();
    decided.forEach((stream, i) => {
      for (const { pending, answer } of stream.refused) this.refuse(pending, answer);
      const result = outcome.groups[i];
      const left = result === undefined ? [] : this.settle(stream, result, committed);
      if (left.length > 0) again.set(stream.before.stream, left);
      if (result?.kind === 'conflict') conflicts.add(stream.before.stream);
      if (result?.kind === 'appended') after.set(stream.before.stream, stream.after);
    });
    if (committed.length > 0) {
      this.options.onCommitted?.({ events: committed, ...this.tellTakers(work, committed), after });
    }
    return { again, stale: conflicts };
  }

  /** Tells of each notice one of those who asked for its stream's, else who works here. Answers are given by promises, so theirs are still to come. */
  private tellTakers(work: Batch, events: readonly CommittedEvent[]): Pick<Commit, 'notices' | 'told'> {
    const [notices, told]: [Notice[], Notice[]] = [[], []];
    const all = noticesOf(events);
    for (const event of events) {
      if (event.type !== 'StepReadied') continue;
      const notice = all[notices.length + told.length] as Notice;
      const taker = work.get(event.stream)?.find(({ onReadied }) => onReadied !== undefined);
      const isTold = taker?.onReadied?.(notice, event.dataText.length) === true || this.options.takesHere?.(notice) === true;
      (isTold ? told : notices).push(notice);
    }
    return { notices, told };
  }

  /** What is to be decided on. A request's stream is taken to be new unless it is known: the append proves it. */
  private async entries(work: Batch, stale: ReadonlySet<StreamId>): Promise<ReadonlyMap<StreamId, Entry>> {
    const entries = new Map<StreamId, Entry>();
    const toLoad: StreamId[] = [];
    for (const [stream, pendings] of work) {
      if (stale.has(stream)) continue;
      const cached = this.loader.cached(stream);
      if (cached !== undefined) entries.set(stream, cached);
      else if (pendings[0]?.envelope.command.type === 'RequestWorkflow') entries.set(stream, absentEntry(stream));
      else toLoad.push(stream);
    }
    const wanted = [...stale, ...toLoad];
    if (wanted.length > 0) for (const [stream, entry] of await this.loader.refresh(wanted)) entries.set(stream, entry);
    return entries;
  }

  private async context(work: Batch): Promise<DecidingContext> {
    const agents = new Map<string, StreamId>();
    for (const pendings of work.values()) {
      for (const { envelope } of pendings) {
        const agent = agentKeyOf(envelope);
        if (agent !== undefined) agents.set(agent.key, agent.stream);
      }
    }
    const states = agents.size === 0 ? new Map<StreamId, Entry>() : await this.loader.load([...new Set(agents.values())]);
    return {
      now: this.options.clock(),
      slotFree: (tenantId) => this.slotsFree.get(tenantQuotaKey(tenantId)) ?? true,
      slotsMax: this.options.slotsMax,
      agentLimit: (key) => {
        const stream = agents.get(key);
        const agent = stream === undefined ? undefined : (states.get(stream)?.state as Agent | undefined);
        // An agent that nobody registered gets one attempt at a time.
        return agent?.status === 'registered' ? agent.profile.maxConcurrent : 1;
      },
    };
  }

  /** Answers what became of one stream's commands; returns those to decide again. */
  private settle(decided: DecidedStream, outcome: GroupOutcome, committed: CommittedEvent[]): readonly Pending[] {
    switch (outcome.kind) {
      case 'appended':
        this.advance(decided, outcome, committed);
        return [];
      case 'conflict':
        return decided.answers.map(({ pending }) => pending);
      case 'duplicate':
        return this.replay(decided, outcome.earlier);
      case 'full':
        this.noteFull(
          decided.answers.map(({ pending }) => pending),
          outcome.key,
        );
        return decided.answers.map(({ pending }) => pending);
      case 'tenant-mismatch':
        this.loader.forget(decided.before.stream);
        for (const { pending } of decided.answers) {
          pending.answer({ outcome: 'rejected', code: 'tenant-mismatch', detail: 'the stream belongs to another tenant' });
        }
        return [];
      case 'failed':
        for (const { pending } of decided.answers) this.refuse(pending, { outcome: 'fault', detail: outcome.error.message });
        return [];
    }
  }

  /** Of several starts at one agent half are tried again: told all at once that it is taken, they would come back together for ever. */
  private noteFull(pendings: readonly Pending[], key: string): void {
    for (const pending of pendings) if (key === tenantQuotaKey(pending.envelope.tenantId)) pending.slotTaken = true;
    const starts = pendings.filter(({ envelope, agentTaken }) => !agentTaken && agentKeyOf(envelope)?.key === key);
    for (const pending of starts.slice(Math.floor(starts.length / 2))) pending.agentTaken = true;
  }

  private advance(decided: DecidedStream, outcome: Extract<GroupOutcome, { kind: 'appended' }>, committed: CommittedEvent[]): void {
    const { before, after, events } = decided;
    const entry = { ...after, hash: outcome.hash };
    if (entry.version > 0) this.loader.keep(entry);
    for (const { version, data, event } of events) {
      const { type, dataText, occurredAt, correlationId, traceparent } = event;
      committed.push({
        position: outcome.firstPosition + version - before.version - 1,
        stream: before.stream,
        version,
        tenantId: entry.tenantId ?? ('' as TenantId),
        type,
        data,
        dataText,
        occurredAt,
        correlationId,
        ...(traceparent === undefined ? {} : { traceparent }),
      });
    }
    for (const { pending, answer } of decided.answers) {
      pending.answer(
        answer.outcome === 'accepted' ? { ...answer, position: outcome.firstPosition + answer.version - before.version - 1 } : answer,
      );
    }
    this.loader.snapshot(before.version, entry).catch((error: unknown) => {
      this.options.onFault?.({ detail: 'a snapshot was not written', error, stream: before.stream });
    });
  }

  /** Gives stored answers again; the group's other commands are decided again without those. */
  private replay(decided: DecidedStream, earlier: readonly EarlierAnswer[]): readonly Pending[] {
    const known = new Map(earlier.map((answer) => [answer.commandId, answer]));
    return decided.answers.flatMap(({ pending }) => {
      const answer = known.get(pending.envelope.id);
      if (answer === undefined) return [pending];
      pending.answer(earlierAnswer(answer, pending));
      return [];
    });
  }

  private noteQuotas(quotas: readonly QuotaCount[]): void {
    if (quotas.length === 0) return;
    for (const { key, used, waiting } of quotas) this.slotsFree.set(key, used < this.options.slotsMax && waiting === 0);
    this.options.onQuotas?.(quotas);
  }

  private refuse(pending: Pending, answer: Answer): void {
    if (answer.outcome === 'fault')
      this.options.onFault?.({ detail: answer.detail, stream: pending.envelope.stream, commandId: pending.envelope.id });
    pending.answer(answer);
  }

  private fault(work: Batch, detail: string, error?: unknown): void {
    if (work.size === 0) return;
    this.options.onFault?.(error === undefined ? { detail } : { detail, error });
    // Answering twice has no effect, so those who were answered before the fault keep their answer.
    for (const pendings of work.values()) for (const pending of pendings) pending.answer({ outcome: 'fault', detail });
  }
}

const REUSED: CommandAnswer = {
  outcome: 'rejected',
  code: 'command-reused',
  detail: 'this idempotency key was used for another request: send that one unchanged, or take a new key',
};

/** What a command asks for, in short. A request for a workflow names a stream that is not there yet: asked again, it names another one. */
function askedBy({ stream, command }: CommandEnvelope): string {
  return hash('sha256', JSON.stringify(command.type === 'RequestWorkflow' ? command : [stream, command]), 'base64').slice(0, 22);
}

/** The answer to a second sending that met the first one still in flight. */
function repeated(answer: Answer): Answer {
  if (answer.outcome === 'fault' || answer.outcome === 'duplicate' || answer.outcome === 'later') return answer;
  return { outcome: 'duplicate', first: answer };
}

function earlierAnswer(earlier: EarlierAnswer, { envelope, asked }: Pending): CommandAnswer {
  const { asked: askedThen = asked, ...first } = earlier.answer as RememberedAnswer;
  if (askedThen !== asked || earlier.tenantId !== envelope.tenantId) return REUSED;
  return { outcome: 'duplicate', first: first.outcome === 'accepted' ? { ...first, position: earlier.position ?? first.position } : first };
}

/** An id for what a sweep asks for: the same due instant of the same thing is the same command. */
export const sweepCause = (...parts: readonly string[]): string => deriveUuid('sweep', ...parts);
