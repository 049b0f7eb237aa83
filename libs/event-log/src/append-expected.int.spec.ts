import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  deriveUuid,
  eventIdOf,
  streamOf,
  timestampOf,
  CHAIN_START,
  type CommandId,
  type StreamId,
  type TenantId,
} from '@taskmaster/contracts';
import { eventually, freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import pg from 'pg';
import { openPools, type Pools } from './pools.js';
import type { AppendGroup, StepRecord, WorkflowRecord } from './rows.js';
import { PostgresEventStore } from './store.js';

interface Side {
  readonly database: FreshDatabase;
  readonly pools: Pools;
  readonly store: PostgresEventStore;
}

let quick: Side;
let careful: Side;

const open = async (): Promise<Side> => {
  const database = await freshDatabase();
  const pools = await openPools({ url: database.url, size: 10, onError: () => undefined });
  return { database, pools, store: new PostgresEventStore(pools) };
};

beforeEach(async () => {
  [quick, careful] = await Promise.all([open(), open()]);
});

afterEach(async () => {
  for (const { pools, database } of [quick, careful]) {
    await pools.close();
    await database.drop();
  }
});

const TENANT = 'default' as TenantId;
const AT = timestampOf(1_700_000_000_123);
const AWKWARD = '"ä\\"{}\\\\, \u{1f600} null';

const workflowRow = (version: number): WorkflowRecord => ({
  version,
  title: `title ${AWKWARD}`,
  profile: 'simple',
  state: 'in_progress',
  status: 'running',
  phase: 'implement',
  priority: 'high',
  progress: 33.3,
  progressPercentage: 25,
  requestedAt: AT,
  queuedAt: version === 2 ? AT : null,
  endedAt: null,
  outcome: null,
  reason: '',
  dueAt: AT,
});

const stepRow = (stepId: string, attempt: number): StepRecord => ({
  stepId,
  kind: 'command.run',
  status: 'ready',
  attempt,
  readyVersion: attempt,
  holder: attempt === 1 ? null : `holder ${AWKWARD}`,
  agentId: null,
  leaseMs: attempt === 1 ? null : 1_000,
  deadlineAt: AT,
  dueAt: null,
});

function groupOf(name: string, expectedVersion: number, more: Partial<AppendGroup> = {}): AppendGroup {
  const stream: StreamId = streamOf('workflow', name);
  const commandId = deriveUuid('client', name, String(expectedVersion)) as CommandId;
  const events = [1, 2].map((n) => ({
    id: eventIdOf(stream, expectedVersion + n),
    type: 'WorkflowPaused' as const,
    schemaVersion: 1,
    dataText: JSON.stringify({ reason: AWKWARD }),
    occurredAt: AT,
    commandId,
    actor: { kind: 'system' as const, id: 'spec' },
    correlationId: name,
  }));
  return {
    stream,
    category: 'workflow',
    tenantId: TENANT,
    expectedVersion,
    previousHash: CHAIN_START,
    events,
    answers: [{ commandId, answer: { outcome: 'accepted', stream, version: expectedVersion + 2, note: AWKWARD } }],
    workflow: workflowRow(expectedVersion + 2),
    steps: [stepRow('a', expectedVersion + 1), stepRow('b', 1)],
    quotas: [{ key: 'tenant:default', kind: expectedVersion === 0 ? 'claim' : 'release', limit: 2 }],
    ...more,
  };
}

/** A group without events proves a version and nothing else, which only the careful function does. */
const proof: AppendGroup = {
  stream: streamOf('workflow', 'zz'),
  category: 'workflow',
  tenantId: TENANT,
  expectedVersion: 0,
  previousHash: CHAIN_START,
  events: [],
  answers: [],
  quotas: [],
};

const TABLES: Readonly<Record<string, string>> = {
  event: 'position, stream, version, tenant_id, type, schema_version, data::text, meta::text, occurred_at, command_id, hash',
  stream: '*',
  client_command: 'id, tenant_id, stream, answer::text',
  workflow: '*',
  step: '*',
  quota: '*',
  log_head: 'position',
};

async function contents({ pools }: Side): Promise<unknown> {
  const rows: Record<string, unknown> = {};
  for (const [table, columns] of Object.entries(TABLES)) {
    rows[table] = (await pools.write.query(`select ${columns} from ${table} order by ${table === 'log_head' ? '1' : '1, 2'}`)).rows;
  }
  return rows;
}

const calls = async ({ pools }: Side, name: string): Promise<number> => {
  const { rows } = await pools.write.query<{ calls: number }>(
    'select count(*)::integer as calls from pg_prepared_statements where name = $1',
    [name],
  );
  return rows[0]?.calls ?? 0;
};

describe('the quick append function', () => {
  it('leaves what the careful one leaves', async () => {
    for (const groups of [
      [groupOf('a', 0), groupOf('b', 0)],
      [groupOf('a', 2), groupOf('b', 2), groupOf('c', 0)],
    ]) {
      const fast = await quick.store.append(groups);
      const slow = await careful.store.append([...groups, proof]);
      expect(slow.groups.slice(0, -1).map((group) => ({ ...group, recordedAt: '' }))).toEqual(
        fast.groups.map((group) => ({ ...group, recordedAt: '' })),
      );
      expect(slow.quotas).toEqual(fast.quotas);
    }
    expect(await contents(quick)).toEqual(await contents(careful));
    expect(await calls(careful, 'append-expected')).toBe(0);
  });

  it('takes client commands in the order of their ids, whatever their streams are called', async () => {
    const [low, high] = [deriveUuid('one'), deriveUuid('other')].sort() as [CommandId, CommandId];
    const answered = (name: string, commandId: CommandId): AppendGroup => groupOf(name, 0, { answers: [{ commandId, answer: {} }] });
    const [first, second] = [new pg.Client(quick.database.url), new pg.Client(quick.database.url)];
    const claim = async (client: pg.Client, id: CommandId): Promise<void> => {
      await client.connect();
      await client.query('begin');
      await client.query("set local lock_timeout = '2s'");
      await client.query("insert into client_command (id, tenant_id, stream, answer) values ($1, 'default', 's', '{}')", [id]);
    };
    try {
      await claim(first, low);
      const appending = quick.store.append([answered('a', high), answered('b', low)]);
      await eventually(async () => (await first.query('select from pg_locks where not granted')).rowCount === 1);
      // Whoever waits for the first one holds none of the others.
      await claim(second, high);
      await second.query('rollback');
      await first.query('rollback');
      expect((await appending).groups.map(({ kind }) => kind)).toEqual(['appended', 'appended']);
    } finally {
      await Promise.all([first.end(), second.end()]);
    }
  });

  it.each<[string, AppendGroup, string]>([
    ['a stream that went on', groupOf('a', 0, { answers: [] }), 'conflict'],
    ['a stream that is not there yet', groupOf('c', 5), 'conflict'],
    ['a command that was answered', groupOf('c', 0, { answers: groupOf('a', 0).answers }), 'duplicate'],
    ['another tenant', groupOf('a', 2, { tenantId: 'other' as TenantId }), 'tenant-mismatch'],
    ['a full quota', groupOf('c', 0, { quotas: [{ key: 'tenant:default', kind: 'claim', limit: 1 }] }), 'full'],
  ])('leaves nothing for %s, and the careful one says what was wrong', async (_what, unexpected, kind) => {
    await quick.store.append([groupOf('a', 0)]);
    const outcome = await quick.store.append([unexpected, groupOf('d', 0, { quotas: [] })]);
    expect(outcome.groups.map((group) => group.kind)).toEqual([kind, 'appended']);
    expect(await quick.store.head()).toBe(4);
  });
});
