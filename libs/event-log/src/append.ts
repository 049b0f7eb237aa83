import { hash } from 'node:crypto';
import { chainText, idOf, type Timestamp } from '@taskmaster/contracts';
import type pg from 'pg';
import { faultOf } from './faults.js';
import { instantOf } from './instants.js';
import type { AppendGroup, AppendOutcome, EarlierAnswer, GroupOutcome, QuotaCount, UnplacedEvent } from './rows.js';

/** The columns of one table of the statement's input, filled row by row and sent as arrays. */
class Columns {
  readonly arrays: unknown[][];

  constructor(width: number) {
    this.arrays = Array.from({ length: width }, () => []);
  }

  add(...row: readonly unknown[]): void {
    for (let i = 0; i < row.length; i += 1) this.arrays[i]?.push(row[i]);
  }
}

const TYPES = [
  ...['text', 'text', 'text', 'integer', 'integer', 'text'],
  ...['integer', 'integer', 'text', 'smallint', 'json', 'json', 'timestamptz', 'uuid', 'text'],
  ...['integer', 'uuid', 'json'],
  ...['integer', 'text', 'integer', 'text', 'text', 'text', 'text', 'text', 'text', 'double precision', 'double precision'],
  ...['timestamptz', 'timestamptz', 'timestamptz', 'text', 'text', 'timestamptz'],
  ...['integer', 'text', 'text', 'text', 'integer', 'integer', 'text', 'text', 'integer', 'timestamptz', 'timestamptz'],
  ...['integer', 'json'],
  ...['integer', 'json'],
  ...['integer', 'text', 'text', 'integer'],
];

const APPEND_TEXT = `
  select codes, head, recorded_at, quotas, duplicates, full_keys
  from append_batch($1::boolean, ${TYPES.map((type, i) => `$${String(i + 2)}::${type}[]`).join(', ')})`;

interface AppendRow {
  readonly codes: readonly number[];
  readonly head: number | null;
  readonly recorded_at: string | null;
  readonly quotas: string | null;
  readonly duplicates: string | null;
  readonly full_keys: string | null;
}

interface Encoded {
  readonly values: readonly unknown[];
  readonly hashes: readonly string[];
}

/** Stored beside the data and not part of the decision: who, why, and the trace. */
const metaText = (event: UnplacedEvent): string =>
  JSON.stringify({
    actor: event.actor,
    correlationId: event.correlationId,
    causationId: event.causationId,
    traceparent: event.traceparent,
  });

function addEvents(into: Columns, group: AppendGroup, n: number): string {
  let version = group.expectedVersion;
  let previous = group.previousHash;
  for (const event of group.events) {
    version += 1;
    previous = hash('sha256', chainText(previous, { stream: group.stream, version, tenantId: group.tenantId }, event));
    into.add(n, version, event.type, event.schemaVersion, event.dataText, metaText(event), event.occurredAt, event.commandId, previous);
  }
  return previous;
}

function addWorkflow(into: Columns, group: AppendGroup, n: number): void {
  const w = group.workflow;
  if (w === undefined) return;
  into.add(
    n,
    idOf(group.stream),
    w.version,
    w.title,
    w.profile,
    w.state,
    w.status,
    w.phase,
    w.priority,
    w.progress,
    w.progressPercentage,
    w.requestedAt,
    w.queuedAt,
    w.endedAt,
    w.outcome,
    w.reason,
    w.dueAt,
  );
}

function encode(groups: readonly AppendGroup[]): Encoded {
  const [heads, events, answers, workflows, steps] = [new Columns(6), new Columns(9), new Columns(3), new Columns(17), new Columns(11)];
  const [agents, keys, quotas] = [new Columns(2), new Columns(2), new Columns(4)];
  const hashes: string[] = [];
  groups.forEach((group, index) => {
    const n = index + 1;
    const last = addEvents(events, group, n);
    hashes.push(last);
    heads.add(group.stream, group.category, group.tenantId, group.expectedVersion, group.expectedVersion + group.events.length, last);
    for (const { commandId, answer } of group.answers) answers.add(n, commandId, JSON.stringify(answer));
    addWorkflow(workflows, group, n);
    for (const s of group.steps ?? []) {
      steps.add(n, s.stepId, s.kind, s.status, s.attempt, s.readyVersion, s.holder, s.agentId, s.leaseMs, s.deadlineAt, s.dueAt);
    }
    if (group.agent !== undefined) agents.add(n, JSON.stringify({ id: idOf(group.stream), ...group.agent }));
    for (const key of group.apiKeys ?? []) keys.add(n, JSON.stringify(key));
    for (const { key, kind, limit } of group.quotas) quotas.add(n, key, kind, limit);
  });
  return { values: [heads, events, answers, workflows, steps, agents, keys, quotas].flatMap(({ arrays }) => arrays), hashes };
}

type RawDuplicate = Omit<EarlierAnswer, 'commandId'> & { readonly id: string; readonly group: number };

function decode(groups: readonly AppendGroup[], hashes: readonly string[], row: AppendRow): AppendOutcome {
  const duplicates = row.duplicates === null ? [] : (JSON.parse(row.duplicates) as readonly RawDuplicate[]);
  const full = row.full_keys === null ? {} : (JSON.parse(row.full_keys) as Readonly<Record<string, string>>);
  const recordedAt = row.recorded_at === null ? ('' as Timestamp) : instantOf(row.recorded_at);
  let position = (row.head ?? 0) + 1;
  const outcomes = groups.map((group, i): GroupOutcome => {
    switch (row.codes[i]) {
      case 0: {
        const firstPosition = position;
        position += group.events.length;
        return { kind: 'appended', firstPosition, recordedAt, hash: hashes[i] ?? group.previousHash };
      }
      case 1:
        return { kind: 'conflict' };
      case 2:
        return {
          kind: 'duplicate',
          earlier: duplicates.filter((d) => d.group === i + 1).map(({ id, group: _group, ...rest }) => ({ commandId: id, ...rest })),
        };
      case 3:
        return { kind: 'full', key: full[String(i + 1)] ?? '' };
      default:
        return { kind: 'tenant-mismatch' };
    }
  });
  return { groups: outcomes, quotas: row.quotas === null ? [] : (JSON.parse(row.quotas) as readonly QuotaCount[]) };
}

/** Appends groups of one stream each in one statement. @throws Fault when the statement as a whole failed: then nothing was appended, or nobody knows */
export async function appendBatch(pool: pg.Pool, groups: readonly AppendGroup[], wake: boolean): Promise<AppendOutcome> {
  const { values, hashes } = encode(groups);
  try {
    const { rows } = await pool.query<AppendRow>({ name: 'append-batch', text: APPEND_TEXT, values: [wake, ...values] });
    const [row] = rows;
    if (row === undefined) throw new Error('the append function answers one row');
    return decode(groups, hashes, row);
  } catch (error) {
    throw faultOf('appending a batch', error);
  }
}

/**
 * As `appendBatch`, with a poison guard: when the data of one group makes the statement fail, the groups are run one by one
 * and only that group fails. @throws DatabaseUnavailable
 */
export async function appendGuarded(pool: pg.Pool, groups: readonly AppendGroup[], wake: boolean): Promise<AppendOutcome> {
  try {
    return await appendBatch(pool, groups, wake);
  } catch (error) {
    const fault = faultOf('appending a batch', error);
    if (fault.retryable) throw fault;
    if (groups.length === 1) return { groups: [{ kind: 'failed', error: fault }], quotas: [] };
  }
  const outcomes: GroupOutcome[] = [];
  const quotas: QuotaCount[] = [];
  for (const group of groups) {
    const alone = await appendGuarded(pool, [group], wake);
    outcomes.push(...alone.groups);
    quotas.push(...alone.quotas);
  }
  return { groups: outcomes, quotas };
}
