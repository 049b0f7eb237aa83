import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  CHAIN_START,
  deriveUuid,
  eventIdOf,
  streamOf,
  timestampOf,
  workflowStream,
  type CommandId,
  type LeaseRenewal,
  type NewEvent,
  type StepId,
  type StreamId,
  type TenantId,
  type Timestamp,
  type WorkflowId,
} from '@taskmaster/contracts';
import type { AppendGroup } from './rows.js';
import type { EpochRow } from './epochs.js';
import { instantOf } from './instants.js';
import type { OpenWork } from './open-work.js';
import type { EventStore } from './store.js';

const TENANT = 'default' as TenantId;

const event = (stream: StreamId, version: number, text = '{"detail":"a \\"quoted\\" \\\\ line"}'): NewEvent => ({
  id: eventIdOf(stream, version),
  type: 'AgentBecameAvailable',
  schemaVersion: 1,
  dataText: text,
  occurredAt: timestampOf(1_700_000_000_000 + version),
  commandId: deriveUuid('command', stream, String(version)) as CommandId,
  actor: { kind: 'system', id: 'spec' },
  correlationId: 'c',
});

/** `count` events of an agent's stream. */
export const group = (name: string, expectedVersion: number, count: number, more: Partial<AppendGroup> = {}): AppendGroup => {
  const stream = streamOf('agent', name);
  return {
    stream,
    category: 'agent',
    tenantId: TENANT,
    expectedVersion,
    previousHash: CHAIN_START,
    answers: [],
    quotas: [],
    events: Array.from({ length: count }, (_, i) => event(stream, expectedVersion + i + 1)),
    ...more,
  };
};

export const kinds = (groups: readonly { readonly kind: string }[]): string[] => groups.map(({ kind }) => kind);

/** The ports of one database. */
export interface DatabaseUnderTest {
  readonly store: EventStore;
  readonly openWork: OpenWork;
  readonly epochs: {
    current(): Promise<EpochRow>;
    bump(from: number): Promise<number>;
    acknowledge(epoch: number, upto: number): Promise<boolean>;
  };
}

/** What every implementation of the ports does alike. `open` gives one that is empty. */
export function describeDatabase(name: string, open: () => Promise<DatabaseUnderTest>): void {
  let store: EventStore;
  let openWork: OpenWork;
  let epochs: DatabaseUnderTest['epochs'];
  beforeEach(async () => {
    ({ store, openWork, epochs } = await open());
  });

  describe(`${name}: appending`, () => {
    it('keeps positions dense and in commit order under concurrent writers', async () => {
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let round = 0; round < 20; round += 1)
          await store.append([group(`w${String(writer)}`, round * 2, 2), group(`x${String(writer)}-${String(round)}`, 0, 1)]);
      });
      await Promise.all(writers);
      const events = await store.readAll(0, 1000);
      expect(events.map(({ position }) => position)).toEqual(Array.from({ length: 480 }, (_, i) => i + 1));
      const recorded = events.map(({ recordedAt }) => recordedAt);
      expect(recorded).toEqual([...recorded].sort());
    });

    it('lets exactly one of two concurrent writers have a version', async () => {
      const outcomes = await Promise.all([store.append([group('a', 0, 1)]), store.append([group('a', 0, 1)])]);
      expect(kinds(outcomes.flatMap(({ groups }) => groups)).sort()).toEqual(['appended', 'conflict']);
    });
    it('gives dense positions in the order of the groups and keeps the exact bytes', async () => {
      const outcome = await store.append([group('a', 0, 2), group('b', 0, 1)]);
      expect(outcome.groups).toMatchObject([
        { kind: 'appended', firstPosition: 1 },
        { kind: 'appended', firstPosition: 3 },
      ]);
      const events = await store.readAll(0, 10);
      expect(events.map(({ position, stream, version }) => [position, stream, version])).toEqual([
        [1, 'agent-a', 1],
        [2, 'agent-a', 2],
        [3, 'agent-b', 1],
      ]);
      expect(events[0]).toMatchObject({
        dataText: '{"detail":"a \\"quoted\\" \\\\ line"}',
        occurredAt: '2023-11-14T22:13:20.001Z',
        actor: { kind: 'system', id: 'spec' },
      });
      expect(await store.head()).toBe(3);
    });

    it('keeps of each event who caused it and by what, also where two that follow on one another bear one command id', async () => {
      const [first, second] = group('caused', 0, 2).events as [NewEvent, NewEvent];
      const causes = [
        { causationId: deriveUuid('one') as NewEvent['id'], correlationId: 'one', actor: { kind: 'system', id: 'one' } },
        { causationId: deriveUuid('two') as NewEvent['id'], correlationId: 'two', actor: { kind: 'service', id: 'two' } },
      ] as const;
      const events = [
        { ...first, ...causes[0] },
        { ...second, ...causes[1], commandId: first.commandId },
      ];
      await store.append([group('caused', 0, 2, { events })]);
      const stored = await store.readStream(streamOf('agent', 'caused'), 0);
      expect(stored.map(({ causationId, correlationId, actor }) => ({ causationId, correlationId, actor }))).toEqual(causes);
    });

    it('answers conflict to the stale group and appends the others', async () => {
      await store.append([group('a', 0, 1)]);
      const outcome = await store.append([
        group('b', 0, 1),
        group('a', 0, 1),
        group('c', 3, 1),
        group('a', 1, 1),
        group('d', 0, 0),
        group('a', 0, 0),
      ]);
      expect(kinds(outcome.groups)).toEqual(['appended', 'conflict', 'conflict', 'appended', 'appended', 'conflict']);
      expect(await store.head()).toBe(3);
    });

    it('replays the stored answer of a client command and appends nothing for it', async () => {
      const commandId = deriveUuid('client', 'one');
      const answers = [{ commandId, answer: { outcome: 'accepted', stream: 'agent-a', version: 1 } }];
      await store.append([group('z', 0, 1), group('a', 0, 1, { answers })]);
      const other = { commandId: deriveUuid('client', 'two'), answer: { outcome: 'rejected' } };
      const again = await store.append([group('a', 1, 1, { answers: [...answers, other] }), group('b', 0, 1)]);
      expect(again.groups).toMatchObject([
        {
          kind: 'duplicate',
          earlier: [{ commandId, tenantId: 'default', stream: 'agent-a', answer: { outcome: 'accepted' }, position: 2 }],
        },
        { kind: 'appended', firstPosition: 3 },
      ]);
      // The other command of the refused group was released, so it may be decided again.
      expect(kinds((await store.append([group('a', 1, 0, { answers: [other] })])).groups)).toEqual(['appended']);
    });

    it('refuses a command of another tenant', async () => {
      await store.append([group('a', 0, 1)]);
      const outcome = await store.append([group('a', 1, 1, { tenantId: 'other' as TenantId })]);
      expect(kinds(outcome.groups)).toEqual(['tenant-mismatch']);
    });

    it('fails only the group whose data Postgres refuses', async () => {
      const poison = group('bad', 0, 1, { events: [event(streamOf('agent', 'bad'), 1, '{"detail":')] });
      const outcome = await store.append([group('a', 0, 1), poison, group('b', 0, 1)]);
      expect(kinds(outcome.groups)).toEqual(['appended', 'failed', 'appended']);
      expect((await store.readAll(0, 10)).map(({ stream }) => stream)).toEqual(['agent-a', 'agent-b']);
    });
  });

  describe(`${name}: quotas`, () => {
    const claim = (name: string, kind: 'claim' | 'claim-queued' | 'queue' | 'unqueue' | 'release', limit = 2): AppendGroup =>
      group(name, 0, 1, { quotas: [{ key: 'tenant:default', kind, limit }] });

    it('lets in as many as the limit and leaves no trace of the others', async () => {
      const outcome = await store.append([claim('a', 'claim'), claim('b', 'claim'), claim('c', 'claim'), claim('d', 'queue')]);
      expect(kinds(outcome.groups)).toEqual(['appended', 'appended', 'full', 'appended']);
      expect(outcome.groups[2]).toEqual({ kind: 'full', key: 'tenant:default' });
      expect(outcome.quotas).toEqual([{ key: 'tenant:default', used: 2, waiting: 1 }]);
      expect(await store.readStream(streamOf('agent', 'c'), 0)).toEqual([]);
      expect(kinds((await store.append([claim('c', 'queue')])).groups)).toEqual(['appended']);
    });

    it('lets nobody overtake those who wait', async () => {
      await store.append([claim('a', 'claim'), claim('b', 'claim'), claim('w', 'queue')]);
      const outcome = await store.append([claim('r', 'release'), claim('late', 'claim')]);
      expect(kinds(outcome.groups)).toEqual(['appended', 'full']);
      expect(outcome.quotas).toEqual([{ key: 'tenant:default', used: 1, waiting: 1 }]);
      const next = await store.append([claim('admitted', 'claim-queued'), claim('later', 'claim')]);
      expect(kinds(next.groups)).toEqual(['appended', 'full']);
      expect(next.quotas).toEqual([{ key: 'tenant:default', used: 2, waiting: 0 }]);
    });

    it('takes all of a group or nothing when it needs two places', async () => {
      const both = (name: string): AppendGroup =>
        group(name, 0, 1, {
          quotas: [
            { key: 'tenant:default', kind: 'claim', limit: 9 },
            { key: 'agent:default:x', kind: 'claim', limit: 1 },
          ],
        });
      const outcome = await store.append([both('a'), both('b')]);
      expect(kinds(outcome.groups)).toEqual(['appended', 'full']);
      expect(outcome.groups[1]).toEqual({ kind: 'full', key: 'agent:default:x' });
      expect([...outcome.quotas].sort((a, b) => a.key.localeCompare(b.key))).toEqual([
        { key: 'agent:default:x', used: 1, waiting: 0 },
        { key: 'tenant:default', used: 1, waiting: 0 },
      ]);
    });
  });

  describe(`${name}: open work`, () => {
    const PAST = timestampOf(Date.now() - 60_000);
    const FUTURE = timestampOf(Date.now() + 3_600_000);
    const step = (stepId: string, more: object = {}) => ({
      ...{ stepId, kind: 'command.run', status: 'ready', attempt: 1, readyVersion: 1, dueAt: PAST },
      ...{ holder: null, agentId: null, leaseMs: null, deadlineAt: null },
      ...more,
    });
    const workflow = (more: object = {}) => ({
      ...{ version: 2, title: 't', profile: 'simple', state: 'pending', status: 'running', phase: 'queue', priority: 'medium' },
      ...{ progress: 0, progressPercentage: 0, requestedAt: PAST, queuedAt: null, endedAt: null, outcome: null, reason: '', dueAt: PAST },
      ...more,
    });
    const of = (id: string, more: Partial<AppendGroup>): AppendGroup => {
      const stream = workflowStream(id as WorkflowId);
      return { ...group(id, 0, 2), stream, category: 'workflow', events: [event(stream, 1), event(stream, 2)], ...more };
    };
    const running = (more: object = {}) =>
      step('run', { status: 'running', holder: 'h', leaseMs: 1_000, readyVersion: 0, deadlineAt: FUTURE, ...more });
    const renewal = (more: Partial<LeaseRenewal> = {}): LeaseRenewal => ({
      ...{ tenantId: TENANT, workflowId: 'w', stepId: 'run' as StepId, attempt: 1, holder: 'h', leaseMs: 60_000 },
      ...more,
    });

    it('finds steps that are due, the longest overdue first, and ready ones only when asked for', async () => {
      const longPast = timestampOf(Date.parse(PAST) - 1_000);
      await store.append([
        of('w', { steps: [step('a'), step('later', { dueAt: FUTURE }), step('never', { dueAt: null }), running({ dueAt: longPast })] }),
      ]);
      const due = await openWork.dueSteps({ ready: true });
      expect(due.map(({ stepId, status }) => [stepId, status])).toEqual([
        ['run', 'running'],
        ['a', 'ready'],
      ]);
      expect(due.map(({ dueAt }) => instantOf(dueAt))).toEqual([longPast, PAST]);
      expect((await openWork.dueSteps({ ready: false })).map(({ stepId }) => stepId)).toEqual(['run']);
      expect(await openWork.dueSteps({ ready: true }, 1)).toHaveLength(1);
    });

    it('reads the events that readied late steps, and postpones only what is still ready and due', async () => {
      await store.append([of('w', { steps: [step('a'), step('b', { readyVersion: 2 }), running({ dueAt: PAST })] })]);
      const due = await openWork.dueSteps({ ready: true });
      expect((await openWork.readiedEvents(due)).map(({ position }) => position)).toEqual([1, 2]);
      await openWork.postponeReady(due, 60_000);
      expect((await openWork.dueSteps({ ready: true })).map(({ stepId }) => stepId)).toEqual(['run']);
    });

    it('lists open work by position within a range, without what stands still', async () => {
      await store.append([
        of('v', { steps: [step('a', { readyVersion: 2 })] }),
        of('w', { steps: [step('b'), step('still', { dueAt: null }), running()] }),
      ]);
      const positions = async (after: number, upto: number, limit = 10): Promise<number[]> =>
        (await openWork.openWork({ after, upto }, limit)).map(({ position }) => position);
      expect(await positions(0, 100)).toEqual([2, 3]);
      expect(await positions(2, 100)).toEqual([3]);
      expect(await positions(0, 2)).toEqual([2]);
      expect(await positions(0, 100, 1)).toEqual([2]);
    });

    it('renews a lease for its holder alone, and never beyond the deadline', async () => {
      await store.append([of('w', { steps: [running({ dueAt: PAST })] })]);
      const others = [
        renewal({ holder: 'x' }),
        renewal({ attempt: 2 }),
        renewal({ workflowId: 'v' }),
        renewal({ tenantId: 'o' as TenantId }),
      ];
      expect(await openWork.renewLeases(others)).toEqual(['lost', 'lost', 'lost', 'lost']);
      expect(await openWork.dueSteps({ ready: true })).toHaveLength(1);
      expect(await openWork.renewLeases([renewal(), renewal({ stepId: 'none' as StepId })])).toEqual(['renewed', 'lost']);
      expect(await openWork.dueSteps({ ready: true })).toEqual([]);
      await store.append([of('u', { steps: [running({ deadlineAt: PAST })] })]);
      expect(await openWork.renewLeases([renewal({ workflowId: 'u' })])).toEqual(['renewed']);
      expect((await openWork.dueSteps({ ready: true })).map(({ dueAt }) => instantOf(dueAt))).toEqual([PAST]);
    });

    it('queues workflows by priority, with waiting counting as priority', async () => {
      const queued = (id: string, priority: string, queuedAt: Timestamp): AppendGroup =>
        of(id, { workflow: workflow({ priority, queuedAt }) });
      const longAgo = timestampOf(Date.now() - 3.6 * 300_000);
      await store.append([
        queued('low', 'low', PAST),
        queued('old', 'low', longAgo),
        queued('critical', 'critical', PAST),
        queued('medium', 'medium', PAST),
        of('running', { workflow: workflow() }),
      ]);
      const next = await openWork.nextQueued('default', { agingSeconds: 300, limit: 3 });
      expect(next.map(({ stream }) => stream)).toEqual(['workflow-old', 'workflow-critical', 'workflow-medium']);
      expect(await openWork.nextQueued('other', { agingSeconds: 300, limit: 3 })).toEqual([]);
    });

    it('finds workflows that are due and tenants that wait', async () => {
      await store.append([
        of('w', { workflow: workflow(), quotas: [{ key: 'tenant:default', kind: 'queue', limit: 1 }] }),
        of('v', { workflow: workflow({ dueAt: FUTURE }), quotas: [{ key: 'agent:default:x', kind: 'queue', limit: 1 }] }),
        of('u', { workflow: workflow({ dueAt: null }) }),
      ]);
      expect(await openWork.dueWorkflows()).toMatchObject([{ stream: 'workflow-w', tenantId: 'default' }]);
      expect(await openWork.tenantsWaiting()).toEqual([{ key: 'tenant:default', used: 0, waiting: 1 }]);
    });
  });

  describe(`${name}: epochs and snapshots`, () => {
    it('raises an epoch once for all who saw the same one, and forgets what was acknowledged in it', async () => {
      expect(await epochs.bump(0)).toBe(1);
      expect(await epochs.acknowledge(1, 7)).toBe(true);
      expect(await epochs.acknowledge(1, 5)).toBe(true);
      expect(await epochs.current()).toEqual({ epoch: 1, acknowledgedUpto: 7 });
      expect(await epochs.bump(0)).toBe(1);
      expect(await epochs.current()).toEqual({ epoch: 1, acknowledgedUpto: 7 });
      expect(await epochs.bump(1)).toBe(2);
      expect(await epochs.acknowledge(1, 9)).toBe(false);
      expect(await epochs.current()).toEqual({ epoch: 2, acknowledgedUpto: 0 });
    });

    it('keeps the newest snapshot of a stream for one version of the reducer', async () => {
      const stream = streamOf('agent', 'a');
      const snapshot = (version: number) => ({
        stream,
        tenantId: TENANT,
        version,
        hash: 'ab'.repeat(32),
        stateText: `{"v":${String(version)}}`,
      });
      await store.writeSnapshot(snapshot(4), 1);
      await store.writeSnapshot(snapshot(2), 1);
      expect(await store.readSnapshots([stream], 1)).toEqual([snapshot(4)]);
      expect(await store.readSnapshots([stream], 2)).toEqual([]);
      await store.writeSnapshot(snapshot(2), 2);
      expect(await store.readSnapshots([stream], 2)).toEqual([snapshot(2)]);
    });
  });
}
