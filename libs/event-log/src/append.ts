import { hash } from 'node:crypto';
import { chainText, idOf, type Timestamp } from '@taskmaster/contracts';
import type pg from 'pg';
import { ArrayColumns, placeholders, type ColumnType } from './array-columns.js';
import { faultOf } from './faults.js';
import { instantOf } from './instants.js';
import type { AppendGroup, AppendOutcome, EarlierAnswer, GroupOutcome, QuotaCount, QuotaRequest, UnplacedEvent } from './rows.js';

const HEADS: readonly ColumnType[] = ['text', 'text', 'text', 'integer', 'integer', 'text'];
const EVENTS: readonly ColumnType[] = ['integer', 'integer', 'text', 'smallint', 'json', 'json', 'timestamptz', 'uuid', 'text'];
const ANSWERS: readonly ColumnType[] = ['integer', 'uuid', 'json'];
const WORKFLOWS: readonly ColumnType[] = [
  ...(['integer', 'text', 'integer', 'text', 'text', 'text', 'text', 'text', 'text', 'double precision', 'double precision'] as const),
  ...(['timestamptz', 'timestamptz', 'timestamptz', 'text', 'text', 'timestamptz'] as const),
];
const STEPS: readonly ColumnType[] = [
  ...(['integer', 'text', 'text', 'text', 'integer', 'integer', 'text', 'text', 'integer', 'timestamptz', 'timestamptz'] as const),
];
/** What both functions are given, before what they do not share. */
const COMMON: readonly ColumnType[] = [...HEADS, ...EVENTS, ...ANSWERS, ...WORKFLOWS, ...STEPS];
const DOCUMENTS: readonly ColumnType[] = ['integer', 'json'];
const CHANGES: readonly ColumnType[] = ['integer', 'text', 'text', 'integer'];
const TOTALS: readonly ColumnType[] = ['text', 'integer', 'integer', 'integer', 'integer', 'integer'];

const BATCH_TEXT = `
  select codes, head, recorded_at, quotas, duplicates, full_keys
  from append_batch($1::boolean, ${placeholders([...COMMON, ...DOCUMENTS, ...DOCUMENTS, ...CHANGES], 2)})`;
const EXPECTED_TEXT = `
  select head, recorded_at, quotas
  from append_expected($1::boolean, ${placeholders([...COMMON, ...TOTALS], 2)}, $${String(2 + COMMON.length + TOTALS.length)}::integer)`;

/** Raised by `append_expected` when something is not as the caller expects; a key that exists already says the same. */
const UNEXPECTED_STATES: readonly string[] = ['TM001', '23505'];

interface ExpectedRow {
  readonly head: number;
  readonly recorded_at: string;
  readonly quotas: string | null;
}

interface AppendRow {
  readonly codes: readonly number[];
  readonly head: number | null;
  readonly recorded_at: string | null;
  readonly quotas: string | null;
  readonly duplicates: string | null;
  readonly full_keys: string | null;
}

interface Encoded {
  readonly common: readonly Buffer[];
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

function addEvents(into: ArrayColumns, group: AppendGroup, n: number): string {
  let version = group.expectedVersion;
  let previous = group.previousHash;
  for (const event of group.events) {
    version += 1;
    previous = hash('sha256', chainText(previous, { stream: group.stream, version, tenantId: group.tenantId }, event));
    into.add(n, version, event.type, event.schemaVersion, event.dataText, metaText(event), event.occurredAt, event.commandId, previous);
  }
  return previous;
}

function addWorkflow(into: ArrayColumns, group: AppendGroup, n: number): void {
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
  const heads = new ArrayColumns(HEADS);
  const events = new ArrayColumns(EVENTS);
  const answers = new ArrayColumns(ANSWERS);
  const workflows = new ArrayColumns(WORKFLOWS);
  const steps = new ArrayColumns(STEPS);
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
  });
  return { common: [heads, events, answers, workflows, steps].flatMap((columns) => columns.parameters()), hashes };
}

/** Rows that only the careful function writes, and quota changes one by one. */
function encodeRest(groups: readonly AppendGroup[]): readonly Buffer[] {
  const [agents, keys, quotas] = [new ArrayColumns(DOCUMENTS), new ArrayColumns(DOCUMENTS), new ArrayColumns(CHANGES)];
  groups.forEach((group, index) => {
    const n = index + 1;
    if (group.agent !== undefined) agents.add(n, JSON.stringify({ id: idOf(group.stream), ...group.agent }));
    for (const key of group.apiKeys ?? []) keys.add(n, JSON.stringify(key));
    for (const { key, kind, limit } of group.quotas) quotas.add(n, key, kind, limit);
  });
  return [agents, keys, quotas].flatMap((columns) => columns.parameters());
}

interface QuotaTotal {
  claims: number;
  direct: number;
  releases: number;
  waiting: number;
  limit: number;
}

const LIMIT_NONE = 2 ** 31 - 1;

/** The quota changes of all groups by key, keys in order. */
function encodeTotals(groups: readonly AppendGroup[]): readonly Buffer[] {
  const totals = new Map<string, QuotaTotal>();
  for (const { quotas } of groups) {
    for (const { key, kind, limit } of quotas) {
      const total = totals.get(key) ?? { claims: 0, direct: 0, releases: 0, waiting: 0, limit: LIMIT_NONE };
      totals.set(key, total);
      addChange(total, kind, limit);
    }
  }
  const columns = new ArrayColumns(TOTALS);
  for (const key of [...totals.keys()].sort()) {
    const t = totals.get(key);
    if (t !== undefined) columns.add(key, t.claims, t.direct, t.releases, t.waiting, t.limit);
  }
  return columns.parameters();
}

function addChange(total: QuotaTotal, kind: QuotaRequest['kind'], limit: number): void {
  switch (kind) {
    case 'claim':
    case 'claim-queued':
      total.claims += 1;
      total.limit = Math.min(total.limit, limit);
      if (kind === 'claim') total.direct += 1;
      else total.waiting -= 1;
      return;
    case 'release':
      total.releases += 1;
      return;
    case 'queue':
      total.waiting += 1;
      return;
    case 'unqueue':
      total.waiting -= 1;
  }
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

/** Whether the quick function can take them: one group per stream, streams in order, each with events, and nothing but workflows and steps beside. */
function mayBeExpected(groups: readonly AppendGroup[]): boolean {
  let before = '';
  for (const { stream, events, agent, apiKeys } of groups) {
    if (stream <= before || events.length === 0 || agent !== undefined || apiKeys !== undefined) return false;
    before = stream;
  }
  return true;
}

async function appendExpected(
  pool: pg.Pool,
  groups: readonly AppendGroup[],
  { common, hashes }: Encoded,
  wake: boolean,
): Promise<AppendOutcome | undefined> {
  let created = 0;
  for (const { expectedVersion } of groups) if (expectedVersion === 0) created += 1;
  try {
    const values = [wake, ...common, ...encodeTotals(groups), created];
    const { rows } = await pool.query<ExpectedRow>({ name: 'append-expected', text: EXPECTED_TEXT, values });
    const [row] = rows;
    if (row === undefined) throw new Error('the append function answers one row');
    const recordedAt = instantOf(row.recorded_at);
    let position = row.head + 1;
    const outcomes = groups.map(({ events }, i): GroupOutcome => {
      const firstPosition = position;
      position += events.length;
      return { kind: 'appended', firstPosition, recordedAt, hash: hashes[i] ?? '' };
    });
    return { groups: outcomes, quotas: row.quotas === null ? [] : (JSON.parse(row.quotas) as readonly QuotaCount[]) };
  } catch (error) {
    if (UNEXPECTED_STATES.includes((error as { code?: string }).code ?? '')) return undefined;
    throw error;
  }
}

async function appendCarefully(
  pool: pg.Pool,
  groups: readonly AppendGroup[],
  { common, hashes }: Encoded,
  wake: boolean,
): Promise<AppendOutcome> {
  const values = [wake, ...common, ...encodeRest(groups)];
  const { rows } = await pool.query<AppendRow>({ name: 'append-batch', text: BATCH_TEXT, values });
  const [row] = rows;
  if (row === undefined) throw new Error('the append function answers one row');
  return decode(groups, hashes, row);
}

/**
 * Appends groups of one stream each in one statement: by the quick function when all may be as expected, else, or when they are not,
 * by the one that says what is wrong with which. @throws Fault when the statement as a whole failed: then nothing was appended, or nobody knows
 */
export async function appendBatch(pool: pg.Pool, groups: readonly AppendGroup[], wake: boolean): Promise<AppendOutcome> {
  const encoded = encode(groups);
  try {
    const expected = mayBeExpected(groups) ? await appendExpected(pool, groups, encoded, wake) : undefined;
    return expected ?? (await appendCarefully(pool, groups, encoded, wake));
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
