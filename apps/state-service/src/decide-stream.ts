import {
  EVENT_DATA_BYTES_MAX,
  exceedsBytes,
  schemaVersionOf,
  type CommandAnswer,
  type CommandEnvelope,
  type DomainEvent,
  type Notice,
  type StreamId,
  type TenantId,
  type Timestamp,
} from '@taskmaster/contracts';
import {
  agentQuotaKey,
  tenantQuotaKey,
  type AppendGroup,
  type QuotaRequest,
  type StoredAnswer,
  type UnplacedEvent,
} from '@taskmaster/event-log';
import {
  agentRow,
  apiKeyRows,
  deciderOf,
  quotaChanges,
  stepRows,
  workflowRow,
  type Access,
  type Agent,
  type Decision,
  type Workflow,
} from '@taskmaster/workflow';
import { factOf, type Entry } from './entry.js';

export type Answer = CommandAnswer | { readonly outcome: 'fault'; readonly detail: string };

/** Told of a notice, and of the length of its event's text. @returns whether the answer tells it to who does such work */
export type OnReadied = (notice: Notice, length: number) => boolean;

/** A command on its way through the handler. */
export interface Pending {
  readonly envelope: CommandEnvelope;
  /** Of a client's command: what it asks for, in short. */
  readonly asked?: string | undefined;
  readonly answer: (answer: Answer) => void;
  /** Told, before the answer is, of what the command's stream made ready. */
  readonly onReadied?: OnReadied | undefined;
  /** Set when the append function found the tenant's slots taken. */
  slotTaken: boolean;
  /** Set when it found the agent at its limit. */
  agentTaken: boolean;
}

/** The answer to a client's command as the log keeps it. Those that were kept before requests were told apart do not say what was asked. */
export type RememberedAnswer = CommandAnswer & { readonly asked?: string };

/** What deciding needs besides the state: clock and limits. */
export interface DecidingContext {
  readonly now: Timestamp;
  /** Whether the tenant is believed to have a free slot. */
  slotFree(tenantId: TenantId): boolean;
  /** `MAX_CONCURRENT_WORKFLOWS`. */
  readonly slotsMax: number;
  /** An agent's limit of concurrent work, by quota key. */
  agentLimit(key: string): number;
}

/** An event as it was decided, its data not yet parsed back. */
export interface DecidedEvent {
  readonly version: number;
  readonly data: DomainEvent['data'];
  readonly event: UnplacedEvent;
}

/** What deciding one stream's commands on one another came to. */
export interface DecidedStream {
  readonly before: Entry;
  /** Its hash is known only after the append. */
  readonly after: Entry;
  readonly events: readonly DecidedEvent[];
  /** Answers that become true when the group is appended; `position` of an accepted one is still 0. */
  readonly answers: readonly { readonly pending: Pending; readonly answer: Answer }[];
  /** Commands that can be answered whatever becomes of the group. */
  readonly refused: readonly { readonly pending: Pending; readonly answer: Answer }[];
  readonly group: AppendGroup;
}

interface Folding {
  state: unknown;
  version: number;
  readonly events: DecidedEvent[];
  readonly answers: { pending: Pending; answer: Answer }[];
  readonly stored: StoredAnswer[];
}

/** Decides the commands of one stream in order, each on what the ones before it came to. */
export function decideStream(entry: Entry, pendings: readonly Pending[], context: DecidingContext): DecidedStream {
  const refused: { pending: Pending; answer: Answer }[] = [];
  const tenantId = entry.tenantId ?? pendings[0]?.envelope.tenantId ?? ('' as TenantId);
  const folding: Folding = { state: entry.state, version: entry.version, events: [], answers: [], stored: [] };
  for (const pending of pendings) {
    if (pending.envelope.tenantId !== tenantId) {
      refused.push({ pending, answer: { outcome: 'rejected', code: 'tenant-mismatch', detail: 'the stream belongs to another tenant' } });
      continue;
    }
    try {
      decideOne(entry, folding, pending, context);
    } catch (error) {
      // A broken invariant concerns this command on this stream; the others are decided on the state before it.
      refused.push({ pending, answer: { outcome: 'fault', detail: error instanceof Error ? error.message : String(error) } });
    }
  }
  const after: Entry = { ...entry, tenantId, version: folding.version, state: folding.state };
  return {
    before: entry,
    after,
    events: folding.events,
    answers: folding.answers,
    refused,
    group: groupOf(entry, after, folding, context),
  };
}

function decideOne(entry: Entry, folding: Folding, pending: Pending, context: DecidingContext): void {
  const { envelope } = pending;
  const decision = deciderOf(entry.category).decide(envelope.command, folding.state, {
    now: context.now,
    stream: entry.stream,
    tenantId: envelope.tenantId,
    slotFree: !pending.slotTaken && (envelope.command.type === 'AdmitWorkflow' || context.slotFree(envelope.tenantId)),
    agentFree: !pending.agentTaken,
  });
  const answer = decision.kind === 'accepted' ? record(entry, folding, envelope, { ...decision, now: context.now }) : answerOf(decision);
  folding.answers.push({ pending, answer });
  if (pending.asked !== undefined && answer.outcome !== 'later')
    folding.stored.push({ commandId: envelope.id, answer: { asked: pending.asked, ...answer } satisfies RememberedAnswer });
}

/** Folds the events of an accepted command, unless one is too large: then none of them happened. */
function record(
  entry: Entry,
  folding: Folding,
  envelope: CommandEnvelope,
  decided: { readonly events: readonly DomainEvent[]; readonly after?: unknown; readonly now: Timestamp },
): CommandAnswer {
  if (decided.events.length === 0) return { outcome: 'noop', detail: 'nothing to record' };
  const { now } = decided;
  const decider = deciderOf(entry.category);
  const cause = causeOf(envelope);
  const drafts: DecidedEvent[] = [];
  let { state, version } = folding;
  for (const { type, data } of decided.events) {
    const dataText = JSON.stringify(data);
    if (exceedsBytes(dataText, EVENT_DATA_BYTES_MAX)) {
      return { outcome: 'rejected', code: 'event-too-large', detail: `${type} would hold more than ${String(EVENT_DATA_BYTES_MAX)} bytes` };
    }
    version += 1;
    // Rules that folded the events to decide them say what that came to.
    if (decided.after === undefined) state = decider.evolve(state, factOf(type, data, now));
    drafts.push({ version, data, event: { ...cause, type, schemaVersion: schemaVersionOf(type), dataText, occurredAt: now } });
  }
  folding.state = decided.after ?? state;
  folding.version = version;
  for (const draft of drafts) folding.events.push(draft);
  return { outcome: 'accepted', stream: entry.stream, version, position: 0 };
}

const causeOf = ({ id, actor, correlationId, causationId, traceparent }: CommandEnvelope) => ({
  commandId: id,
  actor,
  correlationId,
  ...(causationId === undefined ? {} : { causationId }),
  ...(traceparent === undefined ? {} : { traceparent }),
});

function answerOf(decision: Exclude<Decision<DomainEvent>, { kind: 'accepted' }>): CommandAnswer {
  switch (decision.kind) {
    case 'rejected': {
      const { code, detail, data } = decision;
      return data === undefined ? { outcome: 'rejected', code, detail } : { outcome: 'rejected', code, detail, data };
    }
    case 'noop':
      return { outcome: 'noop', detail: decision.detail };
    case 'later':
      return { outcome: 'later', detail: decision.detail, retryAfterMs: decision.retryAfterMs };
    case 'held':
      return { outcome: 'held', holder: decision.holder };
    case 'duplicate':
      return { outcome: 'duplicate', first: null };
  }
}

type Rows = Pick<AppendGroup, 'workflow' | 'steps' | 'agent' | 'apiKeys' | 'quotas'>;

function groupOf(entry: Entry, after: Entry, folding: Folding, context: DecidingContext): AppendGroup {
  const rows: Rows = folding.events.length === 0 ? { quotas: [] } : rowsOf(entry, after, context);
  return {
    stream: entry.stream,
    category: entry.category,
    tenantId: after.tenantId ?? ('' as TenantId),
    expectedVersion: entry.version,
    previousHash: entry.hash,
    events: folding.events.map(({ event }) => event),
    answers: folding.stored,
    ...rows,
  };
}

function rowsOf(before: Entry, after: Entry, context: DecidingContext): Rows {
  switch (before.category) {
    case 'workflow': {
      const [was, is] = [before.state as Workflow, after.state as Workflow];
      const workflow = workflowRow(is);
      return {
        ...(workflow === undefined ? {} : { workflow }),
        steps: stepRows(was, is),
        quotas: quotasOf(was, is, after.tenantId ?? '', context),
      };
    }
    case 'agent': {
      const agent = agentRow(after.state as Agent);
      return agent === undefined ? { quotas: [] } : { agent, quotas: [] };
    }
    case 'access':
      return { apiKeys: apiKeyRows(after.state as Access), quotas: [] };
  }
}

const quotasOf = (was: Workflow, is: Workflow, tenantId: string, context: DecidingContext): readonly QuotaRequest[] =>
  quotaChanges(was, is).map(({ scope, agentId, kind }) => {
    if (scope === 'tenant') return { key: tenantQuotaKey(tenantId), kind, limit: context.slotsMax };
    const key = agentQuotaKey(tenantId, agentId ?? '');
    return { key, kind, limit: context.agentLimit(key) };
  });

/** The quota key of the agent that a command would start work at. */
export function agentKeyOf({ command, tenantId }: CommandEnvelope): { readonly key: string; readonly stream: StreamId } | undefined {
  if (command.type !== 'StartStep' || command.data.assignment === undefined) return undefined;
  const { agentId } = command.data.assignment;
  return { key: agentQuotaKey(tenantId, agentId), stream: `agent-${agentId}` as StreamId };
}
