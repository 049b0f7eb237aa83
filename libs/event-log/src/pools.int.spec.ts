import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually, freshDatabase, openAddress, type Address, type FreshDatabase } from '@taskmaster/testing';
import pg from 'pg';
import { openPools, type Pools } from './pools.js';

/** Long enough for a statement on a busy machine. */
const ANSWER_MS_MAX = 2_000;

let database: FreshDatabase;
let address: Address;
let pools: Pools;
let owner: pg.Client;

beforeEach(async () => {
  database = await freshDatabase();
  const url = new URL(database.url);
  address = await openAddress(Number(url.port));
  url.port = String(address.port);
  pools = await openPools({ url: url.href, size: 4, onError: () => undefined, answerMsMax: ANSWER_MS_MAX });
  owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
});

afterEach(async () => {
  await address.close();
  await pools.close();
  await owner.end();
  await database.drop();
});

const backendOf = async (pool: pg.Pool | pg.PoolClient): Promise<number | undefined> =>
  (await pool.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid;

describe('a pool of connections', () => {
  it('gives up a connection whose database does not answer within the limit, and asks over another one', async () => {
    for (const pool of [pools.read, pools.write]) {
      const before = await backendOf(pool);
      address.silence();
      await expect(backendOf(pool)).rejects.toThrow('the database did not answer within 2000 ms');
      address.leadTo(Number(new URL(database.url).port));
      expect(await backendOf(pool)).not.toBe(before);
    }
  });

  it('leaves no statement behind in the database that waits for a lock', async () => {
    await owner.query('select pg_advisory_lock(1)');
    await expect(pools.write.query('select pg_advisory_lock(1)')).rejects.toMatchObject({ code: '55P03' });
    expect((await owner.query('select 1 from pg_locks where not granted')).rowCount).toBe(0);
  });

  it('survives the end of a connection that somebody has taken out of it', async () => {
    const client = await pools.read.connect();
    const asking = client.query('select pg_sleep(60)').catch((error: unknown) => error);
    await eventually(
      async () => (await owner.query("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'")).rowCount === 1,
      { what: 'its end' },
    );
    expect(await asking).toBeInstanceOf(Error);
    client.release(true);
    expect(await backendOf(pools.read)).toBeDefined();
  });
});
