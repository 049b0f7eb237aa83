import { idOf, type Timestamp } from '@taskmaster/contracts';
import type pg from 'pg';
import { appendExpected, mayBeExpected } from './append-expected.js';
import { faultOf } from './faults.js';
import { instantOf } from './instants.js';
import { metaText, placed, stepValues, workflowValues, type PlacedGroup } from './placed.js';
import type { AppendGroup, AppendOutcome, EarlierAnswer, GroupOutcome, QuotaCount } from './rows.js';

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

function addEvents(into: Columns, { group, hashes }: PlacedGroup, n: number): void {
  group.events.forEach((event, i) => {
    const { type, schemaVersion, dataText, occurredAt, commandId } = event;
    into.add(n, group.expectedVersion + i + 1, type, schemaVersion, dataText, metaText(event), occurredAt, commandId, hashes[i]);
  });
}

const lastHash = ({ group, hashes }: PlacedGroup): string => hashes.at(-1) ?? group.previousHash;

function addWorkflow(into: Columns, { stream, workflow }: AppendGroup, n: number): void {
  if (workflow !== undefined) into.add(n, idOf(stream), ...workflowValues(workflow));
}

function encode(groups: readonly PlacedGroup[]): readonly unknown[] {
  const [heads, events, answers, workflows, steps] = [new Columns(6), new Columns(9), new Columns(3), new Columns(17), new Columns(11)];
  const [agents, keys, quotas] = [new Columns(2), new Columns(2), new Columns(4)];
  groups.forEach((place, index) => {
    const n = index + 1;
    const { group } = place;
    const { stream, category, tenantId, expectedVersion } = group;
    addEvents(events, place, n);
    heads.add(stream, category, tenantId, expectedVersion, expectedVersion + group.events.length, lastHash(place));
    for (const { commandId, answer } of group.answers) answers.add(n, commandId, JSON.stringify(answer));
    addWorkflow(workflows, group, n);
    for (const step of group.steps ?? []) steps.add(n, step.stepId, ...stepValues(step));
    if (group.agent !== undefined) agents.add(n, JSON.stringify({ id: idOf(stream), ...group.agent }));
    for (const key of group.apiKeys ?? []) keys.add(n, JSON.stringify(key));
    for (const { key, kind, limit } of group.quotas) quotas.add(n, key, kind, limit);
  });
  return [heads, events, answers, workflows, steps, agents, keys, quotas].flatMap(({ arrays }) => arrays);
}

type RawDuplicate = Omit<EarlierAnswer, 'commandId'> & { readonly id: string; readonly group: number };

function decode(groups: readonly PlacedGroup[], row: AppendRow): AppendOutcome {
  const duplicates = row.duplicates === null ? [] : (JSON.parse(row.duplicates) as readonly RawDuplicate[]);
  const full = row.full_keys === null ? {} : (JSON.parse(row.full_keys) as Readonly<Record<string, string>>);
  const recordedAt = row.recorded_at === null ? ('' as Timestamp) : instantOf(row.recorded_at);
  let position = (row.head ?? 0) + 1;
  const outcomes = groups.map((place, i): GroupOutcome => {
    switch (row.codes[i]) {
      case 0: {
        const firstPosition = position;
        position += place.group.events.length;
        return { kind: 'appended', firstPosition, recordedAt, hash: lastHash(place) };
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

async function appendCarefully(pool: pg.Pool, groups: readonly PlacedGroup[], wake: boolean): Promise<AppendOutcome> {
  const { rows } = await pool.query<AppendRow>({ name: 'append-batch', text: APPEND_TEXT, values: [wake, ...encode(groups)] });
  const [row] = rows;
  if (row === undefined) throw new Error('the append function answers one row');
  return decode(groups, row);
}

/**
 * Appends groups of one stream each in one statement: by the quick function when all may be as expected, else, or when they are not,
 * by the one that says what is wrong with which. @throws Fault when the statement as a whole failed: then nothing was appended, or nobody knows
 */
export async function appendBatch(pool: pg.Pool, groups: readonly AppendGroup[], wake: boolean): Promise<AppendOutcome> {
  const places = groups.map(placed);
  try {
    const expected = mayBeExpected(places) ? await appendExpected(pool, places, wake) : undefined;
    return expected ?? (await appendCarefully(pool, places, wake));
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
