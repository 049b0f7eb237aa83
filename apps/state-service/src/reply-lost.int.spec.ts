import 'reflect-metadata';
import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connectBroker, NatsCommandSender } from '@taskmaster/messaging';
import { emptyDatabase, eventually, startBroker, type FreshDatabase, type TestBroker } from '@taskmaster/testing';
import { LOG_LOCK, whileHeld } from './testing/meeting.js';
import { endProcess, startReplicaProcess } from './testing/replica-process.js';
import { complete, openReplica, request, streamFor, type Replica } from './testing/replica.js';

let database: FreshDatabase;
let broker: TestBroker;
let connection: Awaited<ReturnType<typeof connectBroker>>;
let beside: Replica;
const children: ChildProcess[] = [];

const startReplica = async (): Promise<ChildProcess> => {
  const child = await startReplicaProcess({ DATABASE_URL: database.url, NATS_URL: broker.url });
  children.push(child);
  return child;
};

beforeEach(async () => {
  [database, broker] = await Promise.all([emptyDatabase(), startBroker()]);
  connection = await connectBroker({ url: broker.url, name: 'spec' });
});

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => endProcess(child, 'SIGKILL')));
  await beside.close();
  await connection.close();
  await broker.stop();
  await database.drop();
});

describe('a state-service that dies between its commit and its answer', () => {
  it('has promised what another one then answers: the first answer, once', async () => {
    const replica = await startReplica();
    beside = await openReplica(database.url);
    const sender = new NatsCommandSender(connection);
    let answer: ReturnType<typeof sender.send> | undefined;
    await whileHeld(database.url, LOG_LOCK, async (waiting) => {
      answer = sender.send(request('w'), { deadlineMs: 30_000 });
      await waiting(1);
      // Stopped while its append waits, so it can never answer what Postgres is going to commit.
      replica.kill('SIGSTOP');
    });
    await eventually(async () => (await beside.store.head()) > 0, { what: 'the commit', deadlineMs: 20_000 });
    await endProcess(replica, 'SIGKILL');
    await startReplica();
    const events = await beside.store.readStream(streamFor('w'), 0);
    expect(await answer).toEqual({
      outcome: 'duplicate',
      first: { outcome: 'accepted', stream: streamFor('w'), version: events.length, position: events.length },
    });
    expect((await beside.store.readStream(streamFor('w'), 0)).length).toBe(events.length);
  }, 60_000);

  it('has settled a step once: the worker that asks again is told that it is so', async () => {
    const replica = await startReplica();
    beside = await openReplica(database.url);
    await beside.handler.handle(request('w'));
    const before = await beside.store.head();
    const sender = new NatsCommandSender(connection);
    let answer: ReturnType<typeof sender.send> | undefined;
    await whileHeld(database.url, LOG_LOCK, async (waiting) => {
      answer = sender.send(complete('w', 'a'), { deadlineMs: 30_000 });
      await waiting(1);
      replica.kill('SIGSTOP');
    });
    await eventually(async () => (await beside.store.head()) > before, { what: 'the commit', deadlineMs: 20_000 });
    await endProcess(replica, 'SIGKILL');
    await startReplica();
    expect(await answer).toMatchObject({ outcome: 'noop' });
    const types = (await beside.store.readStream(streamFor('w'), 0)).map(({ type }) => type);
    expect(types.filter((type) => type === 'StepSucceeded')).toHaveLength(1);
  }, 60_000);
});
