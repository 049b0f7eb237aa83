import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  childWorkflowId,
  DEFAULT_TENANT,
  workflowStream,
  type CommandEnvelope,
  type CommandId,
  type JsonObject,
  type StepDraft,
  type StepId,
  type StreamId,
} from '@taskmaster/contracts';
import { eventually, freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import { openFollowing, workflowOf, type FollowingOptions, type FollowingReplica } from './testing/following.js';
import { meetAt, streamRow } from './testing/meeting.js';
import { complete, completeWith, envelope, MERGED, noop, request, start, streamFor } from './testing/replica.js';
import { verifyLog } from './verify-log.js';

const SLOTS = 2;
let database: FreshDatabase;
let replicas: FollowingReplica[];

beforeEach(async () => {
  database = await freshDatabase();
  replicas = [];
});

afterEach(async () => {
  const report =
    replicas[0] === undefined ? undefined : await verifyLog({ pools: replicas[0].pools, tenantId: DEFAULT_TENANT, slotsMax: SLOTS });
  await Promise.all(replicas.map((replica) => replica.close()));
  await database.drop();
  expect(report?.invariants.flatMap(({ violations }) => violations)).toEqual([]);
});

async function open(options: Partial<FollowingOptions> = {}): Promise<FollowingReplica> {
  const replica = await openFollowing(database.url, { slotsMax: SLOTS, ...options });
  replicas.push(replica);
  return replica;
}

const child = (id: string, ...inside: readonly StepDraft[]): StepDraft => ({
  id,
  kind: 'workflow.run',
  input: { plan: { steps: inside } } as unknown as JsonObject,
});
const childStream = (of: StreamId, stepId: string, attempt = 1): StreamId =>
  workflowStream(childWorkflowId({ workflowId: workflowOf(of), stepId: stepId as StepId, attempt }));

const typesOf = async (stream: StreamId): Promise<readonly string[]> =>
  ((await replicas[0]?.store.readStream(stream, 0)) ?? []).map(({ type }) => type);
const hasEnded = async (stream: StreamId): Promise<boolean> => (await typesOf(stream)).at(-1) === 'WorkflowEnded';
const untilEnded = (...streams: readonly StreamId[]): Promise<unknown> =>
  eventually(async () => (await Promise.all(streams.map(hasEnded))).every(Boolean), { what: 'the end of the workflows' });
const outcomeOf = async (stream: StreamId): Promise<unknown> =>
  JSON.parse((await replicas[0]?.store.readStream(stream, 0))?.at(-1)?.dataText ?? '{}');
const cancel = (stream: StreamId): CommandEnvelope =>
  envelope({ type: 'CancelWorkflow', data: { reason: 'enough' } }, stream, `cancel ${stream}`);

/** The step `a` of each of them is done, at the same time. */
const completeInside = (replica: FollowingReplica, children: readonly StreamId[]): Promise<unknown> =>
  Promise.all(children.map((of) => replica.handler.handle({ ...complete('p', 'a'), stream: of, id: randomUUID() as CommandId })));

describe('parents that wait for their children with all slots taken', () => {
  it('go on, because children run in the slot of their root, and whoever waits for a slot gets the first that is given back', async () => {
    const [one, two] = [await open(), await open()];
    const family = [
      child('left', noop('a'), child('grand', noop('b'), noop('c', 'b'))),
      child('right', noop('a')),
      noop('last', 'left', 'right'),
    ];
    const names = ['p0', 'p1', 'p2', 'p3', 'p4', 'p5'];
    await Promise.all(names.map((name, i) => (i % 2 === 0 ? one : two).handler.handle(request(name, family))));
    const streams = names.map(streamFor);
    await untilEnded(...streams);
    for (const stream of streams) {
      const children = [childStream(stream, 'left'), childStream(stream, 'right')];
      const all = [stream, ...children, childStream(children[0] as StreamId, 'grand')];
      expect(await Promise.all(all.map(outcomeOf))).toMatchObject(all.map(() => ({ outcome: 'completed' })));
      for (const of of all) expect((await typesOf(of)).filter((type) => type === 'WorkflowRequested')).toHaveLength(1);
    }
  });
});

describe('what a crash left undone between a parent and its child', () => {
  it('is found by the sweep alone, after each commit', async () => {
    const replica = await open({ tells: false, behindMs: 60_000 });
    await replica.handler.handle(request('p', [child('c', noop('a')), noop('last', 'c')]));
    const stream = streamFor('p');
    await eventually(
      async () => {
        await replica.sweeper.steps();
        return hasEnded(stream);
      },
      { what: 'the end of the parent' },
    );
    expect(await typesOf(childStream(stream, 'c'))).toContain('WorkflowEnded');
  });

  it('is asked for by a command of its own for each of two children that begin or end at the same time', async () => {
    const replica = await open({ works: false });
    const stream = streamFor('p');
    await replica.handler.handle(request('p', [child('left', noop('a')), child('right', noop('a'))]));
    const children = [childStream(stream, 'left'), childStream(stream, 'right')];
    await eventually(async () => (await Promise.all(children.map(typesOf))).every((types) => types.includes('StepReadied')));
    await completeInside(replica, children);
    await untilEnded(stream);
    const events = await replica.store.readStream(stream, 0);
    for (const type of ['StepStarted', 'StepSucceeded']) {
      const commands = events.filter((event) => event.type === type).map(({ commandId }) => commandId);
      expect([type, commands.length, new Set(commands).size]).toEqual([type, 2, 2]);
    }
  });

  it('is nothing while the children run: looking at all that are due gives them time again', async () => {
    const replica = await open({ works: false, behindMs: 60_000 });
    const stream = streamFor('p');
    await replica.handler.handle(request('p', [child('left', noop('a')), child('right', noop('a'))]));
    const children = [childStream(stream, 'left'), childStream(stream, 'right')];
    await eventually(async () => (await Promise.all(children.map(typesOf))).every((types) => types.includes('StepReadied')));
    const dueOf = async (): Promise<readonly string[]> =>
      (await replica.openWork.dueSteps({ ready: false })).map(({ stepId }) => stepId as string).sort();
    expect(await dueOf()).toEqual(['left', 'right']);
    await replica.children.onDue(await replica.openWork.dueSteps({ ready: false }));
    expect(await dueOf()).toEqual([]);
    await completeInside(replica, children);
    await untilEnded(stream);
    expect(await typesOf(stream)).not.toContain('StepFailed');
  });

  it('is done once when two replicas look at the same time', async () => {
    const looking = [await open({ tells: false, works: false }), await open({ tells: false, works: false })];
    const [one, two] = looking as [FollowingReplica, FollowingReplica];
    await one.handler.handle(request('p', [child('c', noop('a'))]));
    const stream = streamFor('p');
    const due = [{ stream, stepId: 'c' as StepId }];
    const look = async (): Promise<void> => {
      await Promise.all(looking.map(({ children }) => children.onDue(due)));
    };
    const isIn = (of: StreamId, type: string) => async (): Promise<boolean> => {
      await look();
      return (await typesOf(of)).includes(type);
    };
    await eventually(isIn(childStream(stream, 'c'), 'StepReadied'));
    const inside = { ...complete('p', 'a'), stream: childStream(stream, 'c') };
    expect(await two.handler.handle(inside)).toMatchObject({ outcome: 'accepted' });
    await eventually(isIn(stream, 'WorkflowEnded'));
    const types = [...(await typesOf(stream)), ...(await typesOf(childStream(stream, 'c')))];
    for (const type of ['StepStarted', 'WorkflowRequested', 'WorkflowEnded']) {
      expect([type, types.filter((other) => other === type).length]).toEqual([type, type === 'StepStarted' ? 1 : 2]);
    }
  });

  it('leaves no child behind when its parent was cancelled before it was asked for', async () => {
    const replica = await open({ tells: false, works: false, behindMs: 60_000 });
    const stream = streamFor('p');
    await replica.handler.handle(request('p', [child('c', noop('a'))]));
    const holder = workflowOf(childStream(stream, 'c'));
    const data = { stepId: 'c' as StepId, attempt: 1, holder, leaseMs: 1 };
    await replica.handler.handle(envelope({ type: 'StartStep', data }, stream, 'start'));
    await replica.handler.handle(cancel(stream));
    await eventually(async () => {
      await replica.sweeper.steps();
      return hasEnded(stream);
    });
    expect(await outcomeOf(childStream(stream, 'c'))).toMatchObject({ outcome: 'cancelled' });
    expect(await outcomeOf(stream)).toMatchObject({ outcome: 'cancelled' });
  });
});

describe('cancelling a parent', () => {
  const startOf = (stream: StreamId): CommandEnvelope => {
    const data = { stepId: 'c' as StepId, attempt: 1, holder: workflowOf(childStream(stream, 'c')), leaseMs: 60_000 };
    return envelope({ type: 'StartStep', data }, stream, 'start');
  };

  it('at the moment its child begins leaves no child when it is recorded first', async () => {
    const [one, two] = [await open({ works: false }), await open({ works: false })];
    const stream = streamFor('p');
    await one.handler.handle(
      request(
        'p',
        [noop('a'), child('c', noop('a'))].map((step, i) => (i === 0 ? step : { ...step, dependsOn: ['a'] })),
      ),
    );
    await two.handler.handle(request('warm', [noop('a')]));
    const answers = await meetAt(database.url, streamRow(stream), [
      () => one.handler.handle(cancel(stream)),
      () => two.handler.handle(complete('p', 'a')),
    ]);
    expect(answers).toMatchObject([{ outcome: 'accepted' }, { outcome: 'noop' }]);
    await untilEnded(stream);
    expect(await typesOf(childStream(stream, 'c'))).toEqual([]);
  });

  it('at the moment its child begins cancels the child as well when that is recorded first', async () => {
    const [one, two] = [await open({ works: false, tells: false }), await open({ works: false })];
    const stream = streamFor('p');
    await one.handler.handle(request('p', [child('c', noop('a'))]));
    const answers = await meetAt(database.url, streamRow(stream), [
      () => one.handler.handle(startOf(stream)),
      () => two.handler.handle(cancel(stream)),
    ]);
    expect(answers).toMatchObject([{ outcome: 'accepted' }, { outcome: 'accepted' }]);
    await untilEnded(stream, childStream(stream, 'c'));
    expect(await typesOf(stream)).toContain('StepCancelled');
  });

  it('at the moment its child completes ends both, whichever is recorded first', async () => {
    const [one, two] = [await open({ works: false }), await open({ works: false })];
    for (const [name, cancelFirst] of [
      ['p', true],
      ['q', false],
    ] as const) {
      const stream = streamFor(name);
      await one.handler.handle(request(name, [child('c', noop('a'))]));
      const of = childStream(stream, 'c');
      await eventually(async () => (await typesOf(of)).includes('StepReadied'));
      const done = { ...complete(name, 'a'), stream: of };
      const senders = [() => one.handler.handle(cancel(stream)), () => two.handler.handle(done)];
      await Promise.all((cancelFirst ? senders : senders.reverse()).map((send) => send()));
      await untilEnded(stream, of);
      expect(await typesOf(stream)).not.toContain('StepFailed');
    }
  });

  it('waits for a child that is past its point of no return', async () => {
    const replica = await open();
    const stream = streamFor('p');
    const repository = { url: 'file:///repository.git', branch: 'main', forge: 'local' } as const;
    await replica.handler.handle(request('p', [child('c', noop('a'))], { repository }));
    const of = childStream(stream, 'c');
    const report = (command: CommandEnvelope): Promise<unknown> => replica.handler.handle({ ...command, stream: of });
    const isReady = (step: string) => async (): Promise<boolean> =>
      (await replicas[0]?.store.readStream(of, 0))?.some(({ type, dataText }) => type === 'StepReadied' && dataText.includes(step)) ===
      true;
    const landed = { number: 1, url: 'url', title: 'title', source: 'source', target: 'main', head: 'head' };
    const validated = { passed: true, commit: 'merge', base: 'base', checks: [] };
    for (const [step, output] of [
      ['tm-land-1', landed],
      ['tm-validate-1', validated],
    ] as const) {
      await eventually(isReady(step));
      await report(start('p', step));
      await report(completeWith('p', step, output));
    }
    await eventually(isReady('tm-merge-1'));
    await report(start('p', 'tm-merge-1'));
    expect(await replica.handler.handle(cancel(stream))).toMatchObject({ outcome: 'accepted' });
    expect(await hasEnded(stream)).toBe(false);
    await report(completeWith('p', 'tm-merge-1', MERGED));
    await untilEnded(stream, of);
    expect(await outcomeOf(of)).toMatchObject({ outcome: 'completed', result: { commit: 'merge' } });
    expect(await outcomeOf(stream)).toMatchObject({ outcome: 'cancelled' });
  });
});

describe('a child that the rules refuse', () => {
  it('fails its parent with what they say', async () => {
    const replica = await open();
    const stream = streamFor('p');
    const needsRepository: StepDraft = { id: 'work', kind: 'agent.run', input: { instruction: 'work' } };
    await replica.handler.handle(request('p', [child('c', needsRepository)]));
    await untilEnded(stream);
    expect(await outcomeOf(stream)).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('needs a repository') });
  });
});
