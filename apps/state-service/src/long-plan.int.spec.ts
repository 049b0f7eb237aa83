import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, EVENT_DATA_BYTES_MAX, PLAN_STEPS_MAX, utf8Bytes } from '@taskmaster/contracts';
import { freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import { absentEntry, foldInto } from './entry.js';
import { StreamLoader } from './stream-loader.js';
import { complete, noop, openReplica, request, streamFor, type Replica } from './testing/replica.js';
import { verifyLog } from './verify-log.js';

let database: FreshDatabase;
let replica: Replica;

beforeEach(async () => {
  database = await freshDatabase();
  replica = await openReplica(database.url);
});

afterEach(async () => {
  await replica.close();
  await database.drop();
});

it('a plan of as many steps as may be is recorded in events that fit, goes on in another process, and the log holds what it should', async () => {
  const steps = Array.from({ length: PLAN_STEPS_MAX }, (_, i) => noop(`s${String(i)}`, ...(i === 0 ? [] : [`s${String(i - 1)}`])));
  expect(await replica.handler.handle(request('w', steps))).toMatchObject({ outcome: 'accepted' });
  for (let i = 0; i < 5; i += 1)
    expect(await replica.handler.handle(complete('w', `s${String(i)}`))).toMatchObject({ outcome: 'accepted' });

  const stream = streamFor('w');
  const events = await replica.store.readStream(stream, 0);
  expect(events.filter(({ type }) => type === 'PlanAdopted').length).toBeGreaterThan(10);
  expect(Math.max(...events.map(({ dataText }) => utf8Bytes(dataText)))).toBeLessThanOrEqual(EVENT_DATA_BYTES_MAX);
  expect((await new StreamLoader(replica.store).refresh([stream])).get(stream)).toEqual(foldInto(absentEntry(stream), events));

  const next = await openReplica(database.url);
  expect(await next.handler.handle(complete('w', 's5'))).toMatchObject({ outcome: 'accepted' });
  await next.close();
  const report = await verifyLog({ pools: replica.pools, tenantId: DEFAULT_TENANT, slotsMax: 100 });
  expect(report.invariants.flatMap(({ violations }) => violations)).toEqual([]);
}, 30_000);
