import 'reflect-metadata';
import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SUBJECT_WORK_ALL, workStreamOf, type AgentId, type NoticeHandler, type NoticeMessage, type StepId } from '@taskmaster/contracts';
import { connectBroker, NatsCommandSender, NatsStrategy } from '@taskmaster/messaging';
import { emptyDatabase, eventually, startBroker, type FreshDatabase, type TestBroker } from '@taskmaster/testing';
import pg from 'pg';
import { endProcess, startReplicaProcess, type LogLine } from './testing/replica-process.js';
import { envelope, noop, reported, request, streamFor } from './testing/replica.js';

let database: FreshDatabase;
let broker: TestBroker;
let connection: Awaited<ReturnType<typeof connectBroker>>;
let sender: NatsCommandSender;
let replica: ChildProcess;
let owner: pg.Client;
const strategies: NatsStrategy[] = [];

beforeEach(async () => {
  [database, broker] = await Promise.all([emptyDatabase(), startBroker()]);
  connection = await connectBroker({ url: broker.url, name: 'spec' });
  sender = new NatsCommandSender(connection);
  const log: LogLine[] = [];
  replica = await startReplicaProcess({ DATABASE_URL: database.url, NATS_URL: broker.url }, log);
  owner = new pg.Client({ connectionString: database.url });
  await owner.connect();
  await eventually(() => log.some(({ msg }) => msg === 'relay leads'), { what: 'the lead', deadlineMs: 20_000 });
});

afterEach(async () => {
  await Promise.all(strategies.splice(0).map((strategy) => strategy.close()));
  await endProcess(replica, 'SIGKILL');
  await owner.end();
  await connection.close();
  await broker.stop();
  await database.drop();
});

/** Works on the notices of command steps, as a service does. */
async function react(handler: NoticeHandler): Promise<void> {
  const own = await connectBroker({ url: broker.url, name: 'worker' });
  const strategy = new NatsStrategy({ connection: own, onPoison: () => Promise.reject(new Error('poison')) });
  strategy.addHandler('agent-coordinator_command', handler as never, true);
  strategy.listen(() => undefined);
  strategies.push(strategy);
}

const held = (id: string) => ({ ...noop(id), input: { command: ['true'] } });
const typesOf = async (name: string): Promise<readonly string[]> => {
  const text = 'select type from event where stream = $1 order by version';
  return (await owner.query<{ type: string }>(text, [streamFor(name)])).rows.map(({ type }) => type);
};

describe('a notice that is lost from the middle of the stream', () => {
  it('comes again once its step is late, while the relay goes on', async () => {
    const told: string[] = [];
    connection.subscribe(SUBJECT_WORK_ALL, {
      callback: (_error, message) => {
        for (const { workflowId, stepId } of message.json<NoticeMessage>().notices) told.push(`workflow-${workflowId} ${stepId}`);
      },
    });
    for (const name of ['before', 'lost', 'after']) await sender.send(request(name, [held('a')]));
    await eventually(() => told.length === 3, { what: 'the notices', deadlineMs: 20_000 });
    const manager = await connection.jetstreamManager({ timeout: 2_000 });
    for (let seq = 1; seq <= 4; seq += 1) {
      const found = await manager.streams.getMessage(workStreamOf(1), { seq }).catch(() => undefined);
      const text = found === undefined ? '' : new TextDecoder().decode(found.data);
      if (text.includes(streamFor('lost').slice('workflow-'.length))) await manager.streams.deleteMessage(workStreamOf(1), seq);
    }
    const worked: string[] = [];
    await react(({ workflowId }) => {
      worked.push(`workflow-${workflowId}`);
      return Promise.resolve({ kind: 'answered' });
    });
    await eventually(() => worked.includes(streamFor('after')), { what: 'the work that is not lost', deadlineMs: 20_000 });
    expect(worked).not.toContain(streamFor('lost'));
    await owner.query("update step set due_at = clock_timestamp() - interval '1 second' where stream = $1", [streamFor('lost')]);
    await eventually(() => worked.includes(streamFor('lost')), { what: 'the lost notice', deadlineMs: 20_000 });
  }, 60_000);
});

describe('a command that is answered later', () => {
  const assignment = {
    agentId: 'ada' as AgentId,
    agentName: 'Ada',
    agentType: 'custom',
    simulated: true,
    policy: 'auto' as const,
    reason: 'spec',
    scores: [],
  };

  it('leaves no trace, and its notice is handed in again until it is accepted', async () => {
    const outcomes = new Map<string, string[]>();
    await react(async ({ stepId, attempt }) => {
      const data = { stepId, attempt, holder: 'worker', leaseMs: 60_000, assignment };
      const answer = await sender.send(reported('w', `start ${stepId}`, { type: 'StartStep', data }));
      outcomes.set(stepId, [...(outcomes.get(stepId) ?? []), answer.outcome]);
      return answer.outcome === 'later' ? { kind: 'later', afterMs: 50 } : { kind: 'answered' };
    });
    // An agent that nobody registered gets one attempt at a time.
    await sender.send(request('w', [held('a'), held('b')]));
    const accepted = (stepId: string): boolean => outcomes.get(stepId)?.at(-1) === 'accepted';
    const first = await eventually(() => ['a', 'b'].find(accepted), { what: 'the start of one of them', deadlineMs: 20_000 });
    const second = first === 'a' ? 'b' : 'a';
    const before = outcomes.get(second)?.length ?? 0;
    await eventually(() => (outcomes.get(second)?.length ?? 0) >= before + 3, {
      what: 'the other one asking again and again',
      deadlineMs: 20_000,
    });
    expect((await typesOf('w')).filter((type) => type === 'StepStarted')).toHaveLength(1);
    const done = { stepId: first as StepId, attempt: 1, by: 'worker', durationMs: 1, output: {} };
    await sender.send({
      ...envelope({ type: 'CompleteStep', data: done }, streamFor('w'), 'done'),
      actor: { kind: 'service', id: 'worker' },
    });
    await eventually(() => accepted(second), { what: 'the start of the second', deadlineMs: 20_000 });
    expect((await typesOf('w')).filter((type) => type === 'StepStarted')).toHaveLength(2);
    expect(new Set(outcomes.get(second)?.slice(0, -1))).toEqual(new Set(['later']));
    const { rows } = await owner.query<{ n: number }>(
      "select count(*)::integer as n from client_command where answer ->> 'outcome' = 'later'",
    );
    expect(rows).toEqual([{ n: 0 }]);
  }, 60_000);
});
