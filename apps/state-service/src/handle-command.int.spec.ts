import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  DEFAULT_TENANT,
  newWorkflowId,
  streamOf,
  workflowStream,
  type AgentId,
  type CommandEnvelope,
  type StepId,
  type TenantId,
} from '@taskmaster/contracts';
import { eventually, freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import { AdmissionReactor } from './admission.reactor.js';
import type { Answer } from './decide-stream.js';
import { complete, envelope, noop, openReplica, request, streamFor, type Replica } from './testing/replica.js';
import { verifyLog } from './verify-log.js';

let database: FreshDatabase;
let one: Replica;
let two: Replica;

beforeEach(async () => {
  database = await freshDatabase();
  [one, two] = await Promise.all([openReplica(database.url), openReplica(database.url)]);
});

afterEach(async () => {
  await Promise.all([one.close(), two.close()]);
  await database.drop();
});

const violations = async (slotsMax = 100): Promise<readonly string[]> => {
  const report = await verifyLog({ pools: one.pools, tenantId: DEFAULT_TENANT, slotsMax });
  expect(report.invariants.map(({ number }) => number)).toEqual([1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15]);
  return report.invariants.flatMap((invariant) => invariant.violations);
};

const typesOf = async (name: string): Promise<string[]> => (await one.store.readStream(streamFor(name), 0)).map(({ type }) => type);

const pause = (name: string, key: string): CommandEnvelope =>
  envelope({ type: 'PauseWorkflow', data: { reason: 'spec' } }, streamFor(name), key);

/** The same request as another gateway, or the same one later, hands it on. */
const renamed = (envelope: CommandEnvelope, atMs = Date.now()): CommandEnvelope => ({
  ...envelope,
  stream: workflowStream(newWorkflowId(atMs, randomBytes(16))),
});

describe('handling commands', () => {
  it('carries a five-step workflow from its request to its end in sixteen events', async () => {
    expect(await one.handler.handle(request('w'))).toMatchObject({ outcome: 'accepted', stream: streamFor('w') });
    expect(await one.handler.handle(complete('w', 'a'))).toMatchObject({ outcome: 'accepted' });
    const middle = await Promise.all(['b', 'c', 'd'].map((step) => one.handler.handle(complete('w', step))));
    expect(middle.map(({ outcome }) => outcome)).toEqual(['accepted', 'accepted', 'accepted']);
    expect(await one.handler.handle(complete('w', 'e'))).toMatchObject({ outcome: 'accepted' });
    const types = await typesOf('w');
    expect(types.at(-1)).toBe('WorkflowEnded');
    expect(types).toHaveLength(16);
    expect(one.committed.map(({ position }) => position)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
    expect(await violations()).toEqual([]);
  });

  it('answers the position and version of each of several commands that share an append', async () => {
    await one.handler.handle(request('w'));
    await one.handler.handle(complete('w', 'a'));
    const answers = await Promise.all(['b', 'c'].map((step) => one.handler.handle(complete('w', step))));
    for (const answer of answers) {
      expect(answer.outcome).toBe('accepted');
      if (answer.outcome !== 'accepted') continue;
      const [event] = await one.store.readAll(answer.position - 1, 1);
      expect(event).toMatchObject({ stream: answer.stream, version: answer.version });
    }
  });

  it('gives a client its first answer again, from either replica, also when that was a no', async () => {
    const first = await one.handler.handle(request('w'));
    expect(await two.handler.handle(request('w'))).toEqual({ outcome: 'duplicate', first });
    await one.handler.handle(pause('w', 'p1'));
    const refused = await one.handler.handle(pause('w', 'p2'));
    expect(refused).toMatchObject({ outcome: 'rejected', code: 'workflow-paused' });
    await one.handler.handle(envelope({ type: 'ResumeWorkflow', data: { reason: '' } }, streamFor('w'), 'r1'));
    expect(await two.handler.handle(pause('w', 'p2'))).toEqual({ outcome: 'duplicate', first: refused });
  });

  it('records one of two simultaneous sendings of a command', async () => {
    const answers = await Promise.all([
      one.handler.handle(request('w')),
      one.handler.handle(request('w')),
      two.handler.handle(request('w')),
    ]);
    expect(answers.map(({ outcome }) => outcome).sort()).toEqual(['accepted', 'duplicate', 'duplicate']);
    expect((await typesOf('w')).filter((type) => type === 'WorkflowRequested')).toHaveLength(1);
  });

  it('answers a request that comes again under another name with the workflow it started, from either replica and at once', async () => {
    const first = await one.handler.handle(request('w'));
    const again = { outcome: 'duplicate', first };
    expect(await one.handler.handle(renamed(request('w')))).toEqual(again);
    expect(await Promise.all([one, two, two].map(({ handler }) => handler.handle(renamed(request('w')))))).toEqual([again, again, again]);
    expect(await one.store.head()).toBe((await typesOf('w')).length);
  });

  it('starts each of many workflows once when two replicas are asked for all of them at once under names of their own', async () => {
    const outcomes: string[] = [];
    for (let round = 0; round < 8; round += 1) {
      const asked = Array.from({ length: 200 }, (_, i) => request(`w${String(round)}-${String(i)}`, [noop('a')]));
      const ask = ({ handler }: Replica, nameAt: (i: number) => number): readonly Promise<Answer>[] =>
        asked.map((envelope, i) => handler.handle(renamed(envelope, nameAt(i))));
      // Each has them in the opposite order of the other: whoever takes them in the order of names waits for the other for ever.
      const answers = await Promise.all([...ask(one, (i) => i), ...ask(two, (i) => 1_000 - i)]);
      outcomes.push(...answers.map(({ outcome }) => outcome));
    }
    expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(8 * 200);
    expect(outcomes.filter((outcome) => outcome === 'duplicate')).toHaveLength(8 * 200);
    expect(await violations()).toEqual([]);
  });

  it('refuses a key that was used for another request, also while that is in flight', async () => {
    const other = renamed(request('w', [noop('a')]));
    const [first, second, third] = await Promise.all(
      [request('w'), other, renamed(request('w'))].map((asked) => one.handler.handle(asked)),
    );
    expect(second).toMatchObject({ outcome: 'rejected', code: 'command-reused' });
    expect(third).toEqual({ outcome: 'duplicate', first });
    expect(await two.handler.handle(other)).toMatchObject({ outcome: 'rejected', code: 'command-reused' });
    const pausing = { ...pause('w', 'p'), id: request('w').id };
    expect(await two.handler.handle(pausing)).toMatchObject({ outcome: 'rejected', code: 'command-reused' });
  });

  it('refuses a key that was used for another workflow, and a command of another tenant', async () => {
    await one.handler.handle(request('w'));
    await one.handler.handle(request('x'));
    await one.handler.handle(pause('w', 'same key'));
    expect(await one.handler.handle(pause('x', 'same key'))).toMatchObject({ outcome: 'rejected', code: 'command-reused' });
    const foreign = envelope({ type: 'PauseWorkflow', data: { reason: '' } }, streamFor('w'), 'foreign', 'other' as TenantId);
    expect(await one.handler.handle(foreign)).toMatchObject({ outcome: 'rejected', code: 'tenant-mismatch' });
    expect(await two.handler.handle(foreign)).toMatchObject({ outcome: 'rejected', code: 'tenant-mismatch' });
  });

  it('does not answer from a cache that another replica has overtaken', async () => {
    await one.handler.handle(request('w'));
    await two.handler.handle(complete('w', 'a'));
    expect(await one.handler.handle(complete('w', 'b'))).toMatchObject({ outcome: 'accepted' });
    expect(await two.handler.handle(complete('w', 'b'))).toMatchObject({ outcome: 'noop' });
  });
});

describe('two replicas side by side', () => {
  it('finish many workflows whose commands they get in turns', async () => {
    const names = Array.from({ length: 30 }, (_, i) => `w${String(i)}`);
    let turn = 0;
    const send = async (command: CommandEnvelope): Promise<void> => {
      for (;;) {
        turn += 1;
        const answer = await (turn % 2 === 0 ? one : two).handler.handle(command);
        if (answer.outcome !== 'fault') return;
      }
    };
    await Promise.all(
      names.map(async (name) => {
        await send(request(name));
        await send(complete(name, 'a'));
        await Promise.all(['b', 'c', 'd', 'b'].map((step) => send(complete(name, step))));
        await send(complete(name, 'e'));
      }),
    );
    for (const name of names) expect((await typesOf(name)).at(-1)).toBe('WorkflowEnded');
    expect(await violations()).toEqual([]);
  });
});

describe('slots', () => {
  it('are never more than the limit, and who waits is admitted by priority when one is freed', async () => {
    const limit = 2;
    const admitted: string[] = [];
    const small = await openReplica(database.url, {
      slotsMax: limit,
      onQuotas: (quotas) => admission.onQuotas(quotas),
      onCommitted: ({ events }) => {
        for (const { type, stream } of events) if (type === 'WorkflowAdmitted') admitted.push(stream);
      },
    });
    const admission: AdmissionReactor = new AdmissionReactor({
      openWork: small.openWork,
      slotsMax: limit,
      send: (command) => small.handler.handle(command),
      onFault: (error) => {
        throw error;
      },
    });
    for (const name of ['r1', 'r2']) await small.handler.handle(request(name, [noop('a')]));
    await small.handler.handle(request('low', [noop('a')], { priority: 'low' }));
    await small.handler.handle(request('critical', [noop('a')], { priority: 'critical' }));
    expect(admitted).toEqual([streamFor('r1'), streamFor('r2')]);
    await small.handler.handle(complete('r1', 'a'));
    await eventually(() => admitted.length === 3, { what: 'the next admission' });
    expect(admitted[2]).toBe(streamFor('critical'));
    await small.handler.handle(complete('r2', 'a'));
    await eventually(() => admitted.length === 4, { what: 'the last admission' });
    await small.close();
    expect(await violations(limit)).toEqual([]);
  });
});

describe('an agent', () => {
  const start = (stepId: string, holder: string): CommandEnvelope =>
    envelope(
      {
        type: 'StartStep',
        data: {
          stepId: stepId as StepId,
          attempt: 1,
          holder,
          leaseMs: 60_000,
          assignment: {
            agentId: 'ada' as AgentId,
            agentName: 'Ada',
            agentType: 'custom',
            simulated: true,
            policy: 'auto',
            reason: 'spec',
            scores: [],
          },
        },
      },
      streamFor('w'),
      `start ${stepId} ${holder}`,
    );

  it('gets no more work than its limit, and an attempt has one holder', async () => {
    const profile = {
      name: 'Ada',
      type: 'custom',
      driver: 'agentapi' as const,
      endpoint: '',
      simulated: true,
      roles: [],
      capabilities: {},
      languages: [],
      specialisations: [],
      maxConcurrent: 1,
    };
    await one.handler.handle(envelope({ type: 'RegisterAgent', data: { profile } }, streamOf('agent', 'ada'), 'register'));
    const steps = ['a', 'b'].map((id) => ({ id, kind: 'command.run' as const, input: { command: ['true'] } }));
    await one.handler.handle(request('w', steps));
    expect(await one.handler.handle(start('a', 'h1'))).toMatchObject({ outcome: 'accepted' });
    expect(await two.handler.handle(start('a', 'h1'))).toEqual({ outcome: 'duplicate', first: null });
    expect(await two.handler.handle(start('a', 'h2'))).toEqual({ outcome: 'held', holder: 'h1' });
    expect(await two.handler.handle(start('b', 'h1'))).toMatchObject({ outcome: 'later' });
    const failed = envelope(
      {
        type: 'FailStep',
        data: { stepId: 'a' as StepId, attempt: 1, by: 'h1', error: { type: 'agent', message: 'no', retryable: false } },
      },
      streamFor('w'),
      'fail a',
    );
    await one.handler.handle(failed);
    expect(await violations()).toEqual([]);
  });

  it('gets some of the starts that come together when there is no room for all of them', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e'];
    await one.handler.handle(
      request(
        'w',
        ids.map((id) => ({ id, kind: 'command.run' as const, input: { command: ['true'] } })),
      ),
    );
    const together = (): Promise<readonly { outcome: string }[]> => Promise.all(ids.map((id) => one.handler.handle(start(id, 'h1'))));
    expect((await together()).map(({ outcome }) => outcome)).toEqual(['accepted', 'later', 'later', 'later', 'later']);
    expect((await together()).map(({ outcome }) => outcome)).toEqual(['duplicate', 'later', 'later', 'later', 'later']);
    expect(await violations()).toEqual([]);
  });
});
