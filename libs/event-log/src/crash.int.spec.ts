import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { emptyDatabase, eventually, freshDatabase, runSubdirectory, type FreshDatabase } from '@taskmaster/testing';
import pg from 'pg';
import { DatabaseUnavailable } from './faults.js';
import { claimedGroup } from './groups.fixture.js';
import { migrationFiles } from './migration-files.js';
import { openPools, type Pools } from './pools.js';
import { PostgresEventStore } from './store.js';

const moduleUrl = (file: string): string => pathToFileURL(join(import.meta.dirname, '..', 'dist', file)).href;

const children: ChildProcess[] = [];

/** A process that runs a module which may import the built library; stdin stays closed, what it sends comes back in `said`. */
async function run(source: string, ...args: readonly string[]): Promise<{ readonly child: ChildProcess; readonly said: unknown[] }> {
  const file = join(await runSubdirectory('crash'), 'client.mjs');
  await writeFile(file, source);
  const child = fork(file, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  children.push(child);
  const said: unknown[] = [];
  child.on('message', (message) => said.push(message));
  return { child, said };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

afterEach(async () => {
  await Promise.all(children.splice(0).map(kill));
});

const EVENTS = 3;
const CLIENT = `
  import { openPools, PostgresEventStore } from '${moduleUrl('index.js')}';
  import { claimedGroup } from '${moduleUrl('groups.fixture.js')}';
  const [url, prefix, rounds] = process.argv.slice(2);
  const pools = await openPools({ url, size: 10, onError: () => undefined });
  const store = new PostgresEventStore(pools);
  const write = async (writer) => {
    for (let round = 0; round < Number(rounds); round += 1) {
      const names = ['x', 'y'].map((half) => [prefix, writer, round, half].join('-'));
      await store.append(names.map((name) => claimedGroup(name, ${String(EVENTS)})));
      process.send(names);
    }
  };
  await Promise.all(['1', '2', '3'].map(write));
  process.disconnect();
  await pools.close();`;

describe('a client that is killed', () => {
  let database: FreshDatabase;
  let pools: Pools;
  let store: PostgresEventStore;
  let owner: pg.Client;

  beforeEach(async () => {
    database = await freshDatabase();
    pools = await openPools({ url: database.url, size: 10, onError: () => undefined });
    store = new PostgresEventStore(pools);
    owner = new pg.Client({ connectionString: database.url });
    await owner.connect();
  });

  afterEach(async () => {
    await owner.end();
    await pools.close();
    await database.drop();
  });

  const count = async (text: string): Promise<number> => Number((await owner.query<{ n: string }>(text)).rows[0]?.n);
  /** Connections of the client: one that has just been read from may still hold a statement that was sent before. */
  const connected = async (): Promise<number> => {
    const { rows } = await owner.query<{ pid: number }>(
      "select pid from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()",
    );
    return rows.filter(({ pid }) => !pools.isOwnBackend(pid)).length;
  };
  /** Statements that wait for a lock: one for that of the log, the others for what that one holds. */
  const waiting = (): Promise<number> =>
    count("select count(*) as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'");

  /** What must be so whatever died: dense positions, whole groups, a stored answer and a place of the quota for each. */
  async function expectWhole(): Promise<ReadonlySet<string>> {
    const events = await store.readAll(0, 100_000);
    expect(events.map(({ position }) => position)).toEqual(events.map((_event, i) => i + 1));
    expect(await store.head()).toBe(events.length);
    const names = new Set(events.map(({ stream }) => stream.slice('agent-'.length)));
    expect(events).toHaveLength(names.size * EVENTS);
    expect(await count('select count(*) as n from stream')).toBe(names.size);
    expect(await count('select count(*) as n from client_command')).toBe(names.size);
    expect(await count('select coalesce(sum(used), 0) as n from quota')).toBe(names.size);
    return names;
  }

  it('with kill -9 in the middle of its appends has lost nothing that it was told, and nothing is there by half', async () => {
    for (const prefix of ['a', 'b', 'c']) {
      const { child, said } = await run(CLIENT, database.url, prefix, '1000000');
      await eventually(() => said.length >= 20, { what: 'appends of the client', deadlineMs: 20_000 });
      await kill(child);
      await eventually(async () => (await connected()) === 0, { what: 'the end of its connections' });
      const names = await expectWhole();
      for (const name of (said as string[][]).flat()) expect(names).toContain(name);
      // A batch is one transaction: both of its groups are there, or neither is.
      expect([...names].filter((name) => name.endsWith('x')).length).toBe(names.size / 2);
    }
  }, 60_000);

  it('while its append waits for the lock of the log gives whoever asks again the first answer, and one only', async () => {
    await owner.query('select pg_advisory_lock(7236531, 1)');
    const { child, said } = await run(CLIENT, database.url, 'a', '1');
    await eventually(async () => (await waiting()) === 3, { what: 'appends that wait', deadlineMs: 20_000 });
    await kill(child);
    expect(said).toEqual([]);
    await owner.query('select pg_advisory_unlock(7236531, 1)');
    await eventually(async () => (await connected()) === 0, { what: 'the end of its connections' });
    const names = ['1', '2', '3'].flatMap((writer) => [`a-${writer}-0-x`, `a-${writer}-0-y`]);
    const { groups } = await store.append(names.map((name) => claimedGroup(name, EVENTS)));
    // Postgres does not notice a client's death while a statement runs, so what was sent is committed.
    expect(groups).toMatchObject(names.map(() => ({ kind: 'duplicate', earlier: [{ answer: { outcome: 'accepted' } }] })));
    expect(await expectWhole()).toEqual(new Set(names));
  }, 60_000);

  it('by the database before its commit leaves nothing behind, and asking again does it', async () => {
    await owner.query('select pg_advisory_lock(7236531, 1)');
    const groups = [claimedGroup('a', EVENTS), claimedGroup('b', EVENTS)];
    const appended = store.append(groups).catch((error: unknown) => error);
    await eventually(async () => (await waiting()) === 1, { what: 'an append that waits' });
    await owner.query("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and not granted");
    expect(await appended).toBeInstanceOf(DatabaseUnavailable);
    await owner.query('select pg_advisory_unlock(7236531, 1)');
    expect(await expectWhole()).toEqual(new Set());
    expect((await store.append(groups)).groups.map(({ kind }) => kind)).toEqual(['appended', 'appended']);
    expect(await expectWhole()).toEqual(new Set(['a', 'b']));
  });
});

describe('migrating', () => {
  it('by several processes at once runs every migration exactly once', async () => {
    const database = await emptyDatabase();
    const source = `
      import { migrate } from '${moduleUrl('index.js')}';
      process.send(await migrate(process.argv[2]));
      process.disconnect();`;
    const processes = await Promise.all([1, 2, 3].map(() => run(source, database.url)));
    const codes = await Promise.all(processes.map(async ({ child }) => (await once(child, 'exit'))[0] as number));
    expect(codes).toEqual([0, 0, 0]);
    const ran = processes.map(({ said }) => said[0] as readonly string[]);
    expect(ran.map(({ length }) => length).sort()).toEqual([0, 0, migrationFiles().length]);
    const owner = new pg.Client({ connectionString: database.url });
    await owner.connect();
    const { rows } = await owner.query<{ version: number }>('select version from schema_version order by version');
    expect(rows.map(({ version }) => version)).toEqual(Array.from({ length: migrationFiles().length }, (_, i) => i + 1));
    await owner.end();
    await database.drop();
  }, 60_000);
});
