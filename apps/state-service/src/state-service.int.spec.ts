import 'reflect-metadata';
import type { ChildProcess } from 'node:child_process';
import { hash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, kindGroupOf, SUBJECT_WORK_ALL, workflowStream, type Notice, type NoticeMessage } from '@taskmaster/contracts';
import { connectBroker, NatsCommandSender, NatsQueryAsker, systemTimers } from '@taskmaster/messaging';
import { emptyDatabase, eventually, startBroker, type FreshDatabase, type TestBroker } from '@taskmaster/testing';
import { endProcess, startReplicaProcess } from './testing/replica-process.js';
import { complete, request, streamFor } from './testing/replica.js';

const KEY_HASH = hash('sha256', 'spec key');

type Connection = Awaited<ReturnType<typeof connectBroker>>;

let database: FreshDatabase;
let broker: TestBroker;
let connection: Connection;
let replicas: ChildProcess[] = [];

beforeEach(async () => {
  [database, broker] = await Promise.all([emptyDatabase(), startBroker()]);
  connection = await connectBroker({ url: broker.url, name: 'spec' });
});

afterEach(async () => {
  await Promise.all(replicas.map((child) => endProcess(child)));
  replicas = [];
  await connection.close();
  await broker.stop();
  await database.drop();
});

async function startReplica(): Promise<ChildProcess> {
  const child = await startReplicaProcess({ DATABASE_URL: database.url, NATS_URL: broker.url, BOOTSTRAP_API_KEY_HASH: KEY_HASH });
  replicas.push(child);
  return child;
}

/** Every notice that reaches the stream, as a worker that answers at once. */
async function work(sender: NatsCommandSender, seen: Notice[]): Promise<void> {
  const messages = connection.subscribe(SUBJECT_WORK_ALL);
  for await (const message of messages) {
    for (const notice of message.json<NoticeMessage>().notices) {
      seen.push(notice);
      if (kindGroupOf(notice.kind) !== 'command') continue;
      const name = names.find((candidate) => streamFor(candidate) === workflowStream(notice.workflowId));
      if (name !== undefined)
        void sender.send(complete(name, notice.stepId, notice.attempt), { deadlineMs: 20_000 }).catch(() => undefined);
    }
  }
}

const names = Array.from({ length: 20 }, (_, i) => `n${String(i)}`);

describe('state-service processes', () => {
  it('finish what was asked for while one of two replicas is killed and the broker loses its disk', async () => {
    const [first] = await Promise.all([startReplica(), startReplica()]);
    const [sender, asker] = [new NatsCommandSender(connection), new NatsQueryAsker(connection)];
    const seen: Notice[] = [];
    const working = work(sender, seen);
    await Promise.all(names.slice(0, 10).map((name) => sender.send(request(name))));
    await endProcess(first, 'SIGKILL');
    await Promise.all(names.slice(10, 15).map((name) => sender.send(request(name))));
    await broker.wipe();
    await Promise.all(names.slice(15).map((name) => sender.send(request(name), { deadlineMs: 20_000 })));
    const counts = () => asker.ask('GetCounts', { tenantId: DEFAULT_TENANT });
    await eventually(async () => (await counts()).workflows.completed === names.length, {
      what: 'the end of all workflows',
      deadlineMs: 25_000,
    });
    const report = await asker.ask('VerifyLog', { tenantId: DEFAULT_TENANT });
    expect(report.invariants.flatMap(({ violations }) => violations)).toEqual([]);
    expect(report.head).toBe(names.length * 16 + 1);
    expect(seen.length).toBeGreaterThanOrEqual(names.length * 5);
    await connection.drain();
    await working;
  }, 60_000);

  it('tells with the answer what a command made ready, to who does such work, and everybody else only when that is not answered soon', async () => {
    await startReplica();
    const begun: Notice[] = [];
    const begin = (notice: Notice): boolean => begun.push(notice) > 0;
    const [own, other] = [
      new NatsCommandSender(connection, systemTimers, { groups: ['command'], begin }),
      new NatsCommandSender(connection, systemTimers, { groups: ['agent'], begin }),
    ];
    const seen: Notice[] = [];
    connection.subscribe(SUBJECT_WORK_ALL, { callback: (_error, message) => void seen.push(...message.json<NoticeMessage>().notices) });
    await other.send(request('n0'));
    expect(begun).toEqual([]);
    await own.send(complete('n0', 'a'));
    expect(begun.map(({ stepId, kind, attempt }) => [stepId, kind, attempt])).toEqual(['b', 'c', 'd'].map((id) => [id, 'command.run', 1]));
    await Promise.all(['b', 'c', 'd'].map((id) => own.send(complete('n0', id))));
    await eventually(() => seen.some(({ stepId }) => stepId === 'e'), { what: 'the step that nobody answers', deadlineMs: 10_000 });
    expect(seen.at(-1)).toEqual(begun.at(-1));
  });

  it('answers the questions of the wire and knows its first key', async () => {
    await startReplica();
    const [sender, asker] = [new NatsCommandSender(connection), new NatsQueryAsker(connection)];
    await sender.send(request('n0'));
    await sender.send(complete('n0', 'a'));
    const workflowId = streamFor('n0').slice('workflow-'.length);
    const tenantId = DEFAULT_TENANT;
    expect(await asker.ask('FindApiKey', { hash: KEY_HASH })).toMatchObject({ tenantId, role: 'admin' });
    expect(await asker.ask('FindApiKey', { hash: 'another' })).toBeNull();
    expect(await asker.ask('GetWorkflow', { tenantId, workflowId })).toMatchObject({ id: workflowId, status: 'running' });
    expect(await asker.ask('GetWorkflow', { tenantId, workflowId: 'unknown' })).toBeNull();
    const page = await asker.ask('ListWorkflows', { tenantId, limit: 10 });
    expect(page.items).toMatchObject([{ id: workflowId, status: 'running', title: 'a plan' }]);
    expect((await asker.ask('GetWorkflowHistory', { tenantId, workflowId }))?.transitions.length).toBeGreaterThan(0);
    const { events, head } = await asker.ask('ListEvents', { tenantId, workflowId, after: 0, limit: 100 });
    expect(events.at(-1)?.position).toBe(head);
    expect(await asker.ask('GetHealth', {})).toMatchObject({ database: 'up' });
    expect(await asker.ask('ListAgents', { tenantId })).toEqual({ items: [] });
  });
});
