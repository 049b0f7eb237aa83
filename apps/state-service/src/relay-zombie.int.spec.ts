import 'reflect-metadata';
import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, HEADER_AFTER, HEADER_UPTO, workStreamOf, type NoticeMessage } from '@taskmaster/contracts';
import { connectBroker } from '@taskmaster/messaging';
import { emptyDatabase, eventually, startBroker, type FreshDatabase, type TestBroker } from '@taskmaster/testing';
import pg from 'pg';
import { endProcess, startReplicaProcess, type LogLine } from './testing/replica-process.js';
import { noop, openReplica, request, type Replica } from './testing/replica.js';
import { verifyLog } from './verify-log.js';

let database: FreshDatabase;
let broker: TestBroker;
let connection: Awaited<ReturnType<typeof connectBroker>>;
let beside: Replica;
let owner: pg.Client;
const children: ChildProcess[] = [];

beforeEach(async () => {
  [database, broker] = await Promise.all([emptyDatabase(), startBroker()]);
  connection = await connectBroker({ url: broker.url, name: 'spec' });
  owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
});

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => endProcess(child, 'SIGKILL')));
  await beside.close();
  await owner.end();
  await connection.close();
  await broker.stop();
  await database.drop();
});

interface Process {
  readonly child: ChildProcess;
  readonly log: LogLine[];
}

async function startReplica(): Promise<Process> {
  const log: LogLine[] = [];
  const child = await startReplicaProcess({ DATABASE_URL: database.url, NATS_URL: broker.url }, log);
  children.push(child);
  return { child, log };
}

const leads = ({ log }: Process): boolean => log.some(({ msg }) => msg === 'relay leads');

/** Commits that the relay learns of from Postgres, one workflow with one notice each. */
async function commit(from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i += 1) await beside.handler.handle(request(`w${String(i)}`, [noop('a')]));
}

interface Published {
  readonly after: number;
  readonly upto: number;
  readonly positions: readonly number[];
}

async function published(): Promise<readonly Published[]> {
  const manager = await connection.jetstreamManager({ timeout: 2_000 });
  const { state } = await manager.streams.info(workStreamOf(1));
  const messages: Published[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const { header, data } = await manager.streams.getMessage(workStreamOf(1), { seq });
    const { notices } = JSON.parse(new TextDecoder().decode(data)) as NoticeMessage;
    const [after, upto] = [Number(header.get(HEADER_AFTER)), Number(header.get(HEADER_UPTO))];
    messages.push({ after, upto, positions: notices.map(({ position }) => position) });
  }
  return messages;
}

const covered = async (): Promise<number> => (await published()).at(-1)?.upto ?? 0;

describe('a relay leader that was stopped and lost its lead', () => {
  it('wakes up after its successor has published, adds nothing to the stream, and leaves no hole in it', async () => {
    const zombie = await startReplica();
    await eventually(() => leads(zombie), { what: 'the lead', deadlineMs: 20_000 });
    beside = await openReplica(database.url);
    await commit(1, 3);
    await eventually(async () => (await covered()) === (await beside.store.head()), {
      what: 'what the first leader publishes',
      deadlineMs: 20_000,
    });
    const successor = await startReplica();
    zombie.child.kill('SIGSTOP');
    // What it is to publish when it wakes up has arrived before it lost its lead.
    await commit(4, 3);
    await owner.query(
      `select pg_terminate_backend(pid)
       from pg_locks
       where locktype = 'advisory' and granted and objsubid = 2
         and database = (select oid from pg_database where datname = current_database())`,
    );
    await eventually(() => leads(successor), { what: 'the lead of the successor', deadlineMs: 20_000 });
    await eventually(async () => (await covered()) === (await beside.store.head()), {
      what: 'what the successor publishes',
      deadlineMs: 20_000,
    });
    zombie.child.kill('SIGCONT');
    await commit(7, 3);
    await eventually(async () => (await covered()) === (await beside.store.head()), { what: 'the rest', deadlineMs: 20_000 });
    // Its own lines tell that the zombie has woken up and has noticed.
    await endProcess(successor.child);
    await eventually(() => zombie.log.filter(({ msg }) => msg === 'relay leads').length === 2, {
      what: 'the lead of the zombie once it is free again',
      deadlineMs: 20_000,
    });
    const messages = await published();
    let position = 0;
    for (const { after, upto } of messages) {
      expect(after).toBe(position);
      position = upto;
    }
    const told = messages.flatMap(({ positions }) => positions);
    expect(told).toHaveLength(9);
    expect(new Set(told).size).toBe(9);
    const report = await verifyLog({ pools: beside.pools, tenantId: DEFAULT_TENANT, slotsMax: 100 });
    expect(report.invariants.flatMap(({ violations }) => violations)).toEqual([]);
  }, 90_000);
});
