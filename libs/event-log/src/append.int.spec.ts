import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { TenantId } from '@taskmaster/contracts';
import { freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import { PostgresEpochStore } from './epochs.js';
import { PostgresOpenWork } from './open-work.js';
import { openPools, type Pools } from './pools.js';
import { describeDatabase, group } from './store.contract.js';
import { PostgresEventStore } from './store.js';

const opened: { readonly database: FreshDatabase; readonly pools: Pools }[] = [];

async function openDatabase(): Promise<{ readonly database: FreshDatabase; readonly pools: Pools }> {
  const database = await freshDatabase();
  const pools = await openPools({ url: database.url, size: 10, onError: () => undefined });
  opened.push({ database, pools });
  return { database, pools };
}

const closeAll = async (): Promise<void> => {
  for (const { database, pools } of opened.splice(0)) {
    await pools.close();
    await database.drop();
  }
};
afterEach(closeAll);
afterAll(closeAll);

describeDatabase('Postgres', async () => {
  const { pools } = await openDatabase();
  return { store: new PostgresEventStore(pools), openWork: new PostgresOpenWork(pools.write), epochs: new PostgresEpochStore(pools.write) };
});

let pools: Pools;
let store: PostgresEventStore;

describe('the log', () => {
  beforeEach(async () => {
    ({ pools } = await openDatabase());
    store = new PostgresEventStore(pools);
  });

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
