import { connectBroker } from '@taskmaster/messaging';
import { freePort } from '@taskmaster/provision';
import { AckPolicy, StorageType } from 'nats';
import pg from 'pg';
import { DriverProcess } from '../../performance/driver-process.js';
import { Child } from '../child.js';
import type { EngineSetting, RunningEngine } from '../engine.js';
import { CONSUMER, NOTICES, STREAM, type FloorInput } from '../roles/floor-messages.js';
import { DRIVE_HTTP } from './programs.js';
import { startPeerNats, startPeerPostgres } from './servers.js';

const SCHEMA = `
  create table log_head (k int primary key, position bigint not null) with (fillfactor = 10);
  insert into log_head values (1, 0);
  create table stream (id text primary key, version int not null, status text not null) with (fillfactor = 75);
  create table event (position bigint primary key, stream text not null, version int not null, type text not null, data json not null,
    at timestamptz not null default now(), unique (stream, version));
  create function floor_append(ids text[], versions int[], statuses text[], streams text[], event_versions int[], types text[], datas json[])
  returns bigint language plpgsql as $$
  declare head bigint;
  begin
    insert into stream select * from unnest(ids, versions, statuses)
      on conflict (id) do update set version = excluded.version, status = excluded.status;
    update log_head set position = position + cardinality(types) where k = 1 returning position - cardinality(types) into head;
    insert into event (position, stream, version, type, data)
      select head + i, s, v, t, d from unnest(streams, event_versions, types, datas) with ordinality as e (s, v, t, d, i);
    return head;
  end $$`;
const ACKS_PENDING_MAX = 4096;

/**
 * The same hops and the same durability as ours by hand, with nothing of a product in them: no command is claimed, nothing is recovered,
 * checked, timed or authenticated. What is ready at the same time shares a message.
 */
export async function startFloor(setting: EngineSetting): Promise<RunningEngine> {
  const { cleanup } = setting;
  const [postgres, nats, port] = [await startPeerPostgres(setting), await startPeerNats(setting), await freePort()];
  await prepare(postgres.url, nats.url);
  const input: FloorInput = { natsUrl: nats.url, databaseUrl: postgres.url, port };
  const roots = new Map([
    [postgres.process.pid, 'Postgres'],
    [nats.process.pid, 'NATS'],
  ]);
  for (const role of ['state', 'worker', 'gateway']) {
    const child = await Child.start(`floor-${role}`, input);
    cleanup.add(() => child.stop());
    roots.set(child.pid, role);
  }
  const driver = await DriverProcess.start({ address: `http://127.0.0.1:${String(port)}`, path: '/' }, DRIVE_HTTP);
  cleanup.add(() => driver.stop());
  roots.set(driver.pid, 'client');
  return { driver, databaseUrl: postgres.url, roots: () => Promise.resolve(roots) };
}

async function prepare(databaseUrl: string, natsUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(SCHEMA);
  await client.end();
  const broker = await connectBroker({ url: natsUrl, name: 'floor' });
  const manager = await broker.jetstreamManager();
  await manager.streams.add({ name: STREAM, subjects: [NOTICES], storage: StorageType.File });
  await manager.consumers.add(STREAM, { durable_name: CONSUMER, ack_policy: AckPolicy.Explicit, max_ack_pending: ACKS_PENDING_MAX });
  await broker.close();
}
