import { fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, freshDatabase, openAddress, runSubdirectory, type Address, type FreshDatabase } from '@taskmaster/testing';
import pg from 'pg';
import { claimedGroup } from './groups.fixture.js';
import { LeaderCandidate, type CandidateOptions, type Leadership } from './leader-lock.js';
import { openPools } from './pools.js';
import { PostgresEventStore } from './store.js';

const LIBRARY = pathToFileURL(join(import.meta.dirname, '..', 'dist', 'index.js')).href;

let database: FreshDatabase;
let leaders: Leadership[] = [];
let candidates: LeaderCandidate[] = [];
let addresses: Address[] = [];

beforeEach(async () => {
  database = await freshDatabase();
});

afterEach(async () => {
  await Promise.all(leaders.map((leader) => leader.release()));
  await Promise.all(candidates.map((candidate) => candidate.close()));
  [leaders, candidates] = [[], []];
  await Promise.all(addresses.map((address) => address.close()));
  addresses = [];
  await database.drop();
});

function candidate(options: Partial<CandidateOptions> = {}): LeaderCandidate {
  const created = new LeaderCandidate({ url: database.url, purpose: 1, ...options });
  candidates.push(created);
  return created;
}

async function lead(purpose = 1, onCommit?: (byBackend: number) => void): Promise<Leadership | undefined> {
  const leader = await candidate({ purpose }).tryLead(onCommit);
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

/** Long enough to connect on a busy machine. */
const LIMIT_MS = 2_000;

async function addressOfDatabase(): Promise<Address & { readonly url: string }> {
  const url = new URL(database.url);
  const address = await openAddress(Number(url.port));
  addresses.push(address);
  url.port = String(address.port);
  return { ...address, url: url.href };
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

  it('ends when the database is connected and does not answer, within the limit, and can be given up', async () => {
    const address = await addressOfDatabase();
    const first = await candidate({ url: address.url, answerMsMax: LIMIT_MS }).tryLead();
    expect(await first?.check()).toBe(true);
    address.silence();
    expect(await first?.check()).toBe(false);
    await first?.lost;
    await first?.release();
    await address.close();
    expect(await eventually(() => lead(), { what: 'the next leader' })).toBeDefined();
  });

  it('is not possible while the database takes the connection and says nothing', async () => {
    const address = await addressOfDatabase();
    address.silence();
    expect(await candidate({ url: address.url, answerMsMax: LIMIT_MS }).tryLead()).toBeUndefined();
  });

  it('ends with its process, also by kill -9', async () => {
    const file = join(await runSubdirectory('leader'), 'leader.mjs');
    await writeFile(
      file,
      `import { LeaderCandidate } from '${LIBRARY}';
       const leadership = await new LeaderCandidate({ url: process.argv[2], purpose: 1 }).tryLead();
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
    expect(await candidate({ url: 'postgres://nobody@127.0.0.1:1/none' }).tryLead()).toBeUndefined();
  });

  it('is asked for on one connection, until that is gone', async () => {
    const first = await lead();
    const standby = candidate();
    const backends = (): Promise<readonly { pid: number }[]> =>
      asOwner(
        "select pid from pg_stat_activity where application_name like 'taskmaster leader%' and datname = current_database() order by pid",
      );
    expect(await standby.tryLead()).toBeUndefined();
    const connected = await backends();
    expect(connected).toHaveLength(2);
    expect(await standby.tryLead()).toBeUndefined();
    expect(await backends()).toEqual(connected);
    await first?.release();
    await asOwner(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'taskmaster leader%' and datname = current_database()`,
    );
    const next = await eventually(() => standby.tryLead(), { what: 'the next leader' });
    leaders.push(next);
    expect(await next.check()).toBe(true);
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
