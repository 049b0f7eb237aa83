import 'reflect-metadata';
import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SUBJECT_WORK_ALL, type NoticeMessage, type StepId } from '@taskmaster/contracts';
import { connectBroker, NatsCommandSender } from '@taskmaster/messaging';
import { emptyDatabase, eventually, startBroker, type FreshDatabase, type TestBroker } from '@taskmaster/testing';
import { endProcess, startReplicaProcess, type LogLine } from './testing/replica-process.js';
import { envelope, noop, openReplica, request, streamFor, type Replica } from './testing/replica.js';

let database: FreshDatabase;
let broker: TestBroker;
let connection: Awaited<ReturnType<typeof connectBroker>>;
let leader: ChildProcess;
/** Reads the log, and commits beside the process as another replica does. */
let beside: Replica;
let log: LogLine[];

beforeEach(async () => {
  [database, broker] = await Promise.all([emptyDatabase(), startBroker()]);
  connection = await connectBroker({ url: broker.url, name: 'spec' });
  log = [];
  leader = await startReplicaProcess({ DATABASE_URL: database.url, NATS_URL: broker.url }, log);
  beside = await openReplica(database.url);
  await eventually(() => said('relay leads') === 1, { what: 'the lead', deadlineMs: 20_000 });
});

afterEach(async () => {
  await endProcess(leader, 'SIGKILL');
  await beside.close();
  await connection.close();
  await broker.stop();
  await database.drop();
});

const typesOf = async (name: string): Promise<readonly string[]> =>
  (await beside.store.readStream(streamFor(name), 0)).map(({ type }) => type);
const said = (msg: string): number => log.filter((line) => line.msg === msg).length;

const held = { ...noop('a'), input: { command: ['true'] } };
const start = (name: string, leaseMs: number) =>
  envelope({ type: 'StartStep', data: { stepId: 'a' as StepId, attempt: 1, holder: 'h', leaseMs } }, streamFor(name), `start ${name}`);

describe('while the broker is away', () => {
  it('timers go on: an attempt whose holder was lost is tried again, and told of when the broker is back', async () => {
    const told: string[] = [];
    connection.subscribe(SUBJECT_WORK_ALL, {
      callback: (_error, message) => {
        for (const { stepId, attempt } of message.json<NoticeMessage>().notices) told.push(`${stepId} ${String(attempt)}`);
      },
    });
    await connection.flush();
    await new NatsCommandSender(connection).send(request('w', [held]));
    await eventually(() => told.includes('a 1'), { what: 'the first notice', deadlineMs: 20_000 });
    await broker.kill9();
    // Its holder has reached state-service another way; what matters is that it is never heard of again.
    await beside.handler.handle(start('w', 400));
    const types = await eventually(
      async () => {
        const found = await typesOf('w');
        return found.length >= 8 ? found : undefined;
      },
      { what: 'the timer', deadlineMs: 20_000 },
    );
    expect(types.slice(-3)).toEqual(['StepFailed', 'StepRetryScheduled', 'StepReadied']);
    expect(told).not.toContain('a 2');
    await broker.restart();
    await eventually(() => told.includes('a 2'), { what: 'the notice of the second attempt', deadlineMs: 20_000 });
  }, 60_000);

  it('the relay says once that it was interrupted, and once that it leads again', async () => {
    await broker.kill9();
    // Timers that fire show that time passes: several tries to open the stream fall into it.
    for (const name of ['a', 'b', 'c']) {
      await beside.handler.handle(request(name, [held]));
      await beside.handler.handle(start(name, 900));
      await eventually(async () => (await typesOf(name)).includes('StepFailed'), { what: 'the timer', deadlineMs: 20_000 });
    }
    expect(said('relay interrupted')).toBe(1);
    await broker.restart();
    await eventually(() => said('relay leads') === 2, { what: 'the lead', deadlineMs: 20_000 });
    expect(said('relay interrupted')).toBe(1);
  }, 60_000);
});
