import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  CHAIN_START,
  deriveUuid,
  eventIdOf,
  streamOf,
  timestampOf,
  type CommandId,
  type NewEvent,
  type StreamId,
  type TenantId,
} from '@taskmaster/contracts';
import { freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import { openPools, type Pools } from './pools.js';
import type { AppendGroup } from './rows.js';
import { PostgresEventStore } from './store.js';

const TENANT = 'default' as TenantId;
let database: FreshDatabase;
let pools: Pools;
let store: PostgresEventStore;

beforeEach(async () => {
  database = await freshDatabase();
  pools = await openPools({ url: database.url, size: 10, onError: () => undefined });
  store = new PostgresEventStore(pools);
});

afterEach(async () => {
  await pools.close();
  await database.drop();
});

const event = (stream: StreamId, version: number, text = '{"detail":"a \\"quoted\\" \\\\ line"}'): NewEvent => ({
  id: eventIdOf(stream, version),
  type: 'AgentBecameAvailable',
  schemaVersion: 1,
  dataText: text,
  occurredAt: timestampOf(1_700_000_000_000 + version),
  commandId: deriveUuid('command', stream, String(version)) as CommandId,
  actor: { kind: 'system', id: 'spec' },
  correlationId: 'c',
});

const group = (name: string, expectedVersion: number, count: number, more: Partial<AppendGroup> = {}): AppendGroup => {
  const stream = streamOf('agent', name);
  return {
    stream,
    category: 'agent',
    tenantId: TENANT,
    expectedVersion,
    previousHash: CHAIN_START,
    answers: [],
    quotas: [],
    events: Array.from({ length: count }, (_, i) => event(stream, expectedVersion + i + 1)),
    ...more,
  };
};

const kinds = (groups: readonly { readonly kind: string }[]): string[] => groups.map(({ kind }) => kind);

describe('appending', () => {
  it('gives dense positions in the order of the groups and keeps the exact bytes', async () => {
    const outcome = await store.append([group('a', 0, 2), group('b', 0, 1)]);
    expect(outcome.groups).toMatchObject([
      { kind: 'appended', firstPosition: 1 },
      { kind: 'appended', firstPosition: 3 },
    ]);
    const events = await store.readAll(0, 10);
    expect(events.map(({ position, stream, version }) => [position, stream, version])).toEqual([
      [1, 'agent-a', 1],
      [2, 'agent-a', 2],
      [3, 'agent-b', 1],
    ]);
    expect(events[0]).toMatchObject({
      dataText: '{"detail":"a \\"quoted\\" \\\\ line"}',
      occurredAt: '2023-11-14T22:13:20.001Z',
      actor: { kind: 'system', id: 'spec' },
    });
    expect(await store.head()).toBe(3);
  });

  it('keeps positions dense and in commit order under concurrent writers', async () => {
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let round = 0; round < 20; round += 1)
        await store.append([group(`w${String(writer)}`, round * 2, 2), group(`x${String(writer)}-${String(round)}`, 0, 1)]);
    });
    await Promise.all(writers);
    const events = await store.readAll(0, 1000);
    expect(events.map(({ position }) => position)).toEqual(Array.from({ length: 480 }, (_, i) => i + 1));
    const recorded = events.map(({ recordedAt }) => recordedAt);
    expect(recorded).toEqual([...recorded].sort());
  });

  it('answers conflict to the stale group and appends the others', async () => {
    await store.append([group('a', 0, 1)]);
    const outcome = await store.append([
      group('b', 0, 1),
      group('a', 0, 1),
      group('c', 3, 1),
      group('a', 1, 1),
      group('d', 0, 0),
      group('a', 0, 0),
    ]);
    expect(kinds(outcome.groups)).toEqual(['appended', 'conflict', 'conflict', 'appended', 'appended', 'conflict']);
    expect(await store.head()).toBe(3);
  });

  it('lets exactly one of two concurrent writers have a version', async () => {
    const outcomes = await Promise.all([store.append([group('a', 0, 1)]), store.append([group('a', 0, 1)])]);
    expect(kinds(outcomes.flatMap(({ groups }) => groups)).sort()).toEqual(['appended', 'conflict']);
  });

  it('replays the stored answer of a client command and appends nothing for it', async () => {
    const commandId = deriveUuid('client', 'one');
    const answers = [{ commandId, answer: { outcome: 'accepted', stream: 'agent-a', version: 1 } }];
    await store.append([group('z', 0, 1), group('a', 0, 1, { answers })]);
    const other = { commandId: deriveUuid('client', 'two'), answer: { outcome: 'rejected' } };
    const again = await store.append([group('a', 1, 1, { answers: [...answers, other] }), group('b', 0, 1)]);
    expect(again.groups).toMatchObject([
      { kind: 'duplicate', earlier: [{ commandId, tenantId: 'default', stream: 'agent-a', answer: { outcome: 'accepted' }, position: 2 }] },
      { kind: 'appended', firstPosition: 3 },
    ]);
    // The other command of the refused group was released, so it may be decided again.
    expect(kinds((await store.append([group('a', 1, 0, { answers: [other] })])).groups)).toEqual(['appended']);
  });

  it('refuses a command of another tenant', async () => {
    await store.append([group('a', 0, 1)]);
    const outcome = await store.append([group('a', 1, 1, { tenantId: 'other' as TenantId })]);
    expect(kinds(outcome.groups)).toEqual(['tenant-mismatch']);
  });

  it('fails only the group whose data Postgres refuses', async () => {
    const poison = group('bad', 0, 1, { events: [event(streamOf('agent', 'bad'), 1, '{"detail":')] });
    const outcome = await store.append([group('a', 0, 1), poison, group('b', 0, 1)]);
    expect(kinds(outcome.groups)).toEqual(['appended', 'failed', 'appended']);
    expect((await store.readAll(0, 10)).map(({ stream }) => stream)).toEqual(['agent-a', 'agent-b']);
  });
});

describe('quotas', () => {
  const claim = (name: string, kind: 'claim' | 'claim-queued' | 'queue' | 'unqueue' | 'release', limit = 2): AppendGroup =>
    group(name, 0, 1, { quotas: [{ key: 'tenant:default', kind, limit }] });

  it('lets in as many as the limit and leaves no trace of the others', async () => {
    const outcome = await store.append([claim('a', 'claim'), claim('b', 'claim'), claim('c', 'claim'), claim('d', 'queue')]);
    expect(kinds(outcome.groups)).toEqual(['appended', 'appended', 'full', 'appended']);
    expect(outcome.groups[2]).toEqual({ kind: 'full', key: 'tenant:default' });
    expect(outcome.quotas).toEqual([{ key: 'tenant:default', used: 2, waiting: 1 }]);
    expect(await store.readStream(streamOf('agent', 'c'), 0)).toEqual([]);
    expect(kinds((await store.append([claim('c', 'queue')])).groups)).toEqual(['appended']);
  });

  it('lets nobody overtake those who wait', async () => {
    await store.append([claim('a', 'claim'), claim('b', 'claim'), claim('w', 'queue')]);
    const outcome = await store.append([claim('r', 'release'), claim('late', 'claim')]);
    expect(kinds(outcome.groups)).toEqual(['appended', 'full']);
    expect(outcome.quotas).toEqual([{ key: 'tenant:default', used: 1, waiting: 1 }]);
    const next = await store.append([claim('admitted', 'claim-queued'), claim('later', 'claim')]);
    expect(kinds(next.groups)).toEqual(['appended', 'full']);
    expect(next.quotas).toEqual([{ key: 'tenant:default', used: 2, waiting: 0 }]);
  });

  it('takes all of a group or nothing when it needs two places', async () => {
    const both = (name: string): AppendGroup =>
      group(name, 0, 1, {
        quotas: [
          { key: 'tenant:default', kind: 'claim', limit: 9 },
          { key: 'agent:default:x', kind: 'claim', limit: 1 },
        ],
      });
    const outcome = await store.append([both('a'), both('b')]);
    expect(kinds(outcome.groups)).toEqual(['appended', 'full']);
    expect(outcome.groups[1]).toEqual({ kind: 'full', key: 'agent:default:x' });
    expect([...outcome.quotas].sort((a, b) => a.key.localeCompare(b.key))).toEqual([
      { key: 'agent:default:x', used: 1, waiting: 0 },
      { key: 'tenant:default', used: 1, waiting: 0 },
    ]);
  });
});

describe('the log', () => {
  it('refuses changes from the service role and from its owner', async () => {
    await store.append([group('a', 0, 1)]);
    expect(pools.restricted).toBe(true);
    for (const statement of [
      "update event set type = 'x'",
      'delete from event',
      'truncate event',
      'insert into event select * from event where false',
      'update log_head set position = 0',
    ]) {
      await expect(pools.write.query(statement)).rejects.toMatchObject({ code: '42501' });
    }
    const owner = await pools.write.connect();
    await owner.query('reset role');
    await owner.query('set role none');
    for (const statement of ["update event set type = 'x'", 'delete from event', 'truncate event']) {
      await expect(owner.query(statement)).rejects.toMatchObject({ code: '23001' });
    }
    owner.release(true);
  });

  it('shows the reading role its own tenant only', async () => {
    await store.append([group('a', 0, 1), group('b', 0, 1, { tenantId: 'other' as TenantId })]);
    const client = await pools.read.connect();
    await client.query('begin');
    await client.query('set local role taskmaster_reader');
    await client.query("select set_config('app.tenant', 'other', true)");
    const { rows } = await client.query<{ stream: string }>('select stream from event');
    await client.query('rollback');
    client.release();
    expect(rows).toEqual([{ stream: 'agent-b' }]);
  });
});
