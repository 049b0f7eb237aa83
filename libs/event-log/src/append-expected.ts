import { idOf } from '@taskmaster/contracts';
import type pg from 'pg';
import { CompositeRows, type ColumnType } from './composite-rows.js';
import { instantOf } from './instants.js';
import { metaText, stepValues, workflowValues, type PlacedGroup } from './placed.js';
import type { AppendOutcome, GroupOutcome, QuotaCount, QuotaRequest, UnplacedEvent } from './rows.js';

/** The composite types of `append_expected`'s arguments, in its order. */
const TYPES = {
  append_answer: ['uuid', 'text', 'text', 'json'],
  append_stream: ['text', 'text', 'text', 'integer', 'integer', 'bytea'],
  append_workflow: [
    ...([
      'text',
      'text',
      'text',
      'integer',
      'text',
      'text',
      'text',
      'text',
      'text',
      'text',
      'double precision',
      'double precision',
    ] as const),
    ...(['timestamptz', 'timestamptz', 'timestamptz', 'text', 'text', 'timestamptz'] as const),
  ],
  append_step: [
    ...(['text', 'text', 'text', 'text', 'text', 'integer', 'integer', 'text', 'text', 'integer', 'timestamptz', 'timestamptz'] as const),
  ],
  append_quota: ['text', 'integer', 'integer', 'integer', 'integer', 'integer'],
  append_event: ['text', 'integer', 'text', 'text', 'smallint', 'json', 'json', 'timestamptz', 'uuid', 'bytea'],
} as const satisfies Readonly<Record<string, readonly ColumnType[]>>;
type TypeName = keyof typeof TYPES;

const TEXT = `
  select head, recorded_at, quotas
  from append_expected($1::boolean, $2::append_answer[], $3::append_stream[], $4::append_stream[], $5::append_workflow[],
    $6::append_workflow[], $7::append_step[], $8::append_quota[], $9::append_event[])`;

/** Raised by `append_expected` when something is not as the caller expects; a key that exists already says the same. */
const UNEXPECTED_STATES: readonly string[] = ['TM001', '23505'];
const LIMIT_NONE = 2 ** 31 - 1;

interface ExpectedRow {
  readonly head: number;
  readonly recorded_at: string;
  readonly quotas: string | null;
}

type Oids = Readonly<Record<TypeName, number>>;
const oidsOfPools = new WeakMap<pg.Pool, Oids>();

/** Whether the quick function can take them: one group per stream, streams in order, each with events, and nothing but workflows and steps beside. */
export function mayBeExpected(groups: readonly PlacedGroup[]): boolean {
  let before = '';
  for (const { group } of groups) {
    const { stream, events, agent, apiKeys } = group;
    if (stream <= before || events.length === 0 || agent !== undefined || apiKeys !== undefined) return false;
    before = stream;
  }
  return true;
}

/** Appends all groups, or nothing when anything is not as expected: then the answer is undefined. */
export async function appendExpected(pool: pg.Pool, groups: readonly PlacedGroup[], wake: boolean): Promise<AppendOutcome | undefined> {
  const oids = oidsOfPools.get(pool) ?? (await readOids(pool));
  try {
    const { rows } = await pool.query<ExpectedRow>({ name: 'append-expected', text: TEXT, values: [wake, ...encode(groups, oids)] });
    const [row] = rows;
    if (row === undefined) throw new Error('the append function answers one row');
    return outcomeOf(groups, row);
  } catch (error) {
    if (UNEXPECTED_STATES.includes((error as { code?: string }).code ?? '')) return undefined;
    // Another database may answer at the same address by now, with other object ids.
    oidsOfPools.delete(pool);
    throw error;
  }
}

async function readOids(pool: pg.Pool): Promise<Oids> {
  const { rows } = await pool.query<{ name: TypeName; oid: number }>(
    "select typname as name, oid from pg_type where typname = any ($1) and typnamespace = 'public'::regnamespace",
    [Object.keys(TYPES)],
  );
  const oids = Object.fromEntries(rows.map(({ name, oid }) => [name, oid])) as Oids;
  oidsOfPools.set(pool, oids);
  return oids;
}

function outcomeOf(groups: readonly PlacedGroup[], row: ExpectedRow): AppendOutcome {
  const recordedAt = instantOf(row.recorded_at);
  let position = row.head + 1;
  const outcomes = groups.map(({ group, hashes }): GroupOutcome => {
    const firstPosition = position;
    position += group.events.length;
    return { kind: 'appended', firstPosition, recordedAt, hash: hashes.at(-1) ?? group.previousHash };
  });
  return { groups: outcomes, quotas: row.quotas === null ? [] : (JSON.parse(row.quotas) as readonly QuotaCount[]) };
}

function encode(groups: readonly PlacedGroup[], oids: Oids): readonly Buffer[] {
  const rowsOf = (type: TypeName): CompositeRows => new CompositeRows(oids[type], TYPES[type]);
  const answers = rowsOf('append_answer');
  const [created, advanced] = [rowsOf('append_stream'), rowsOf('append_stream')];
  const [requested, workflows] = [rowsOf('append_workflow'), rowsOf('append_workflow')];
  const [steps, quotas, events] = [rowsOf('append_step'), rowsOf('append_quota'), rowsOf('append_event')];
  for (const placed of groups) {
    const { stream, tenantId, category, expectedVersion } = placed.group;
    const isNew = expectedVersion === 0;
    const version = expectedVersion + placed.group.events.length;
    (isNew ? created : advanced).add(stream, tenantId, category, expectedVersion, version, placed.hashes.at(-1) ?? '');
    addWorkflow(isNew ? requested : workflows, placed);
    addSteps(steps, placed);
    addEvents(events, placed);
  }
  addAnswers(answers, groups);
  addQuotas(quotas, groups);
  return [answers, created, advanced, requested, workflows, steps, quotas, events].map((rows) => rows.toParameter());
}

/** Answers in the order of their commands: two replicas that are asked the same at once take them in one order. */
function addAnswers(into: CompositeRows, groups: readonly PlacedGroup[]): void {
  const rows = groups.flatMap(({ group: { stream, tenantId, answers } }) =>
    answers.map(({ commandId, answer }) => [commandId, tenantId, stream, JSON.stringify(answer)] as const),
  );
  for (const row of rows.sort(([a], [b]) => (a < b ? -1 : 1))) into.add(...row);
}

function addWorkflow(into: CompositeRows, { group: { stream, tenantId, workflow } }: PlacedGroup): void {
  if (workflow !== undefined) into.add(stream, tenantId, idOf(stream), ...workflowValues(workflow));
}

function addSteps(into: CompositeRows, { group: { stream, tenantId, steps } }: PlacedGroup): void {
  for (const step of steps ?? []) into.add(stream, step.stepId, tenantId, ...stepValues(step));
}

function addEvents(into: CompositeRows, { group: { stream, tenantId, expectedVersion, events }, hashes }: PlacedGroup): void {
  let version = expectedVersion;
  let meta = '';
  let before: UnplacedEvent | undefined;
  for (const event of events) {
    const { type, schemaVersion, dataText, occurredAt, commandId } = event;
    if (before === undefined || !isOfSameCause(before, event)) meta = metaText(event);
    before = event;
    into.add(
      stream,
      version + 1,
      tenantId,
      type,
      schemaVersion,
      dataText,
      meta,
      occurredAt,
      commandId,
      hashes[version - expectedVersion] ?? '',
    );
    version += 1;
  }
}

/** One command's events have one cause. What is hashed is what is stored, so the id alone is not trusted to say so. */
const isOfSameCause = (a: UnplacedEvent, b: UnplacedEvent): boolean =>
  a.commandId === b.commandId && a.causationId === b.causationId && a.correlationId === b.correlationId && a.actor.id === b.actor.id;

interface QuotaTotal {
  claims: number;
  direct: number;
  releases: number;
  waiting: number;
  least: number;
}

/** The quota changes of all groups by key, keys in order. */
function addQuotas(into: CompositeRows, groups: readonly PlacedGroup[]): void {
  const totals = new Map<string, QuotaTotal>();
  for (const { group } of groups) {
    for (const { key, kind, limit } of group.quotas) {
      const total = totals.get(key) ?? { claims: 0, direct: 0, releases: 0, waiting: 0, least: LIMIT_NONE };
      totals.set(key, total);
      addChange(total, kind, limit);
    }
  }
  for (const [key, t] of [...totals].sort(([a], [b]) => (a < b ? -1 : 1)))
    into.add(key, t.claims, t.direct, t.releases, t.waiting, t.least);
}

function addChange(total: QuotaTotal, kind: QuotaRequest['kind'], limit: number): void {
  switch (kind) {
    case 'claim':
    case 'claim-queued':
      total.claims += 1;
      total.least = Math.min(total.least, limit);
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
