import 'reflect-metadata';
import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connectBroker, NatsCommandSender } from '@taskmaster/messaging';
import { emptyDatabase, eventually, startBroker, type FreshDatabase, type TestBroker } from '@taskmaster/testing';
import { endProcess, forkReplica, startReplicaProcess, type LogLine } from './testing/replica-process.js';
import { openReplica, request } from './testing/replica.js';

let database: FreshDatabase;
let backup: FreshDatabase;
let broker: TestBroker;
const children: ChildProcess[] = [];

beforeEach(async () => {
  [database, broker] = await Promise.all([emptyDatabase(), startBroker()]);
});

afterEach(async () => {
  await endAll('SIGKILL');
  await broker.stop();
  await Promise.all([database.drop(), backup.drop()]);
});

/** A life of the service in which some workflows are asked for and published. */
async function live(names: readonly string[], { wiped }: { readonly wiped: boolean } = { wiped: false }): Promise<void> {
  const log: LogLine[] = [];
  children.push(await startReplicaProcess({ DATABASE_URL: database.url, NATS_URL: broker.url }, log));
  const leads = (times: number): Promise<unknown> =>
    eventually(() => log.filter(({ msg }) => msg === 'relay leads').length === times, { what: 'the lead', deadlineMs: 10_000 });
  await leads(1);
  if (wiped) {
    await broker.wipe();
    await leads(2);
  }
  const connection = await connectBroker({ url: broker.url, name: 'spec' });
  const sender = new NatsCommandSender(connection);
  await Promise.all(names.map((name) => sender.send(request(name))));
  await connection.close();
  await endAll();
}

async function endAll(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  await Promise.all(children.splice(0).map((child) => endProcess(child, signal)));
}

async function expectRefusal(): Promise<void> {
  const log: LogLine[] = [];
  const child = forkReplica({ DATABASE_URL: backup.url, NATS_URL: broker.url }, log);
  children.push(child);
  await eventually(() => child.exitCode !== null, { what: 'its end', deadlineMs: 15_000 });
  expect(child.exitCode).toBe(1);
  await eventually(() => log.some(({ level, msg }) => level === 'fatal' && msg.startsWith('the log went backwards')), {
    what: 'its reason',
  });
}

describe('a state-service whose database was restored from an older backup', () => {
  it('says that the log is shorter than the stream, and ends', async () => {
    await live(['a', 'b']);
    backup = await database.copy();
    await live(['c', 'd']);
    await expectRefusal();
  }, 60_000);

  it('says so as well when the log has grown past its former end before anybody looked', async () => {
    await live(['a', 'b']);
    backup = await database.copy();
    await live(['c']);
    const writer = await openReplica(backup.url);
    for (const name of ['e', 'f', 'g']) await writer.handler.handle(request(name));
    await writer.close();
    await expectRefusal();
  }, 60_000);

  it('says so as well when the stream was begun anew since the backup', async () => {
    await live(['a', 'b']);
    backup = await database.copy();
    await live(['c'], { wiped: true });
    await expectRefusal();
    // A supervisor starts it again and again; that must not wear the refusal out.
    await expectRefusal();
  }, 60_000);
});
