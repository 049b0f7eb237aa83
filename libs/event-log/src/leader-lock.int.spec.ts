import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, freshDatabase, runSubdirectory, type FreshDatabase } from '@taskmaster/testing';
import pg from 'pg';
import { claimedGroup } from './groups.fixture.js';
import { tryLead, type Leadership } from './leader-lock.js';
import { openPools } from './pools.js';
import { PostgresEventStore } from './store.js';

const LIBRARY = pathToFileURL(join(import.meta.dirname, '..', 'dist', 'index.js')).href;

let database: FreshDatabase;
let leaders: Leadership[] = [];

beforeEach(async () => {
  database = await freshDatabase();
});

afterEach(async () => {
  await Promise.all(leaders.map((leader) => leader.release()));
  leaders = [];
  await database.drop();
});

async function lead(purpose = 1, onCommit?: (byBackend: number) => void): Promise<Leadership | undefined> {
  const leader = await tryLead(database.url, purpose, onCommit);
  if (leader !== undefined) leaders.push(leader);
  return leader;
}

async function asOwner<T extends pg.QueryResultRow>(text: string): Promise<readonly T[]> {
  const owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  try {
    return (await owner.query<T>(text)).rows;
  } finally {
    await owner.end();
  }
}

const END_LEADERS =
  "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted and database = (select oid from pg_database where datname = current_database())";

describe('leading', () => {
  it('is for one at a time and purpose, and for the next once it is given up', async () => {
    const first = await lead();
    expect(await first?.check()).toBe(true);
    expect(await lead()).toBeUndefined();
    expect(await lead(2)).toBeDefined();
    await first?.release();
    await first?.lost;
    expect(await first?.check()).toBe(false);
    expect(await eventually(() => lead(), { what: 'the next leader' })).toBeDefined();
  });

  it('ends when the session is ended by the database: the leader is told, and another can lead', async () => {
    const first = await lead();
    await asOwner(END_LEADERS);
    await first?.lost;
    expect(await first?.check()).toBe(false);
    expect(await eventually(() => lead(), { what: 'the next leader' })).toBeDefined();
  });

  it('ends with its process, also by kill -9', async () => {
    const file = join(await runSubdirectory('leader'), 'leader.mjs');
    await writeFile(
      file,
      `import { tryLead } from '${LIBRARY}';
       const leadership = await tryLead(process.argv[2], 1);
       process.send(leadership !== undefined);
       setInterval(() => undefined, 1000);`,
    );
    const child = fork(file, [database.url], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    expect((await once(child, 'message'))[0]).toBe(true);
    expect(await lead()).toBeUndefined();
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    expect(await eventually(() => lead(), { what: 'the next leader' })).toBeDefined();
  });

  it('is not possible, and no error, while there is no database to ask', async () => {
    expect(await tryLead('postgres://nobody@127.0.0.1:1/none', 1)).toBeUndefined();
  });

  it('hears of every append, and by which backend, unless the append wakes nobody', async () => {
    const heard: number[] = [];
    await lead(1, (backend) => heard.push(backend));
    const pools = await openPools({ url: database.url, size: 4, onError: () => undefined });
    const store = new PostgresEventStore(pools);
    await store.append([claimedGroup('quiet', 1)], false);
    await store.append([claimedGroup('loud', 1)]);
    await eventually(() => heard.length > 0, { what: 'the notification' });
    expect(heard).toHaveLength(1);
    expect(heard.every((backend) => pools.isOwnBackend(backend))).toBe(true);
    await pools.close();
  });
});
