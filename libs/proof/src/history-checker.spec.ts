import { hash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import {
  CHAIN_START,
  clientCommandId,
  DEFAULT_TENANT,
  type CommandId,
  type EventType,
  type StreamId,
  type TenantId,
  type Timestamp,
} from '@taskmaster/contracts';
import { expectedHash, verifyChain, type LoggedEvent } from './chain.js';
import { checkHistory } from './history-checker.js';

const sha256 = (text: string): string => hash('sha256', text);

type Told = readonly [stream: string, type: EventType, data?: unknown, more?: Partial<LoggedEvent>];

/** A log with dense positions and a valid chain of what is told, one commit per event. */
function logOf(...told: readonly Told[]): LoggedEvent[] {
  const heads = new Map<string, { version: number; hash: string }>();
  return told.map(([stream, type, data = {}, more = {}], i) => {
    const head = heads.get(stream) ?? { version: 0, hash: CHAIN_START };
    const event: LoggedEvent = {
      position: i + 1,
      stream: stream as StreamId,
      version: head.version + 1,
      tenantId: 'default' as TenantId,
      type,
      schemaVersion: 1,
      dataText: JSON.stringify(data),
      occurredAt: '2026-01-01T00:00:00.000Z' as Timestamp,
      recordedAt: `2026-01-01T00:00:00.${String(i).padStart(3, '0')}Z` as Timestamp,
      commandId: `c${String(i)}` as CommandId,
      actor: { kind: 'user', id: 'u' },
      correlationId: 'c',
      hash: '',
      ...more,
    };
    const hashed = { ...event, hash: expectedHash(head.hash, event, sha256) };
    heads.set(stream, { version: hashed.version, hash: hashed.hash });
    return hashed;
  });
}

const W = 'workflow-w';
const plan = (...steps: readonly { readonly id: string; readonly dependsOn: readonly string[] }[]): Told => [
  W,
  'PlanAdopted',
  { steps: steps.map((step) => ({ onFailure: 'fail', ...step })), waves: [], criticalPath: [] },
];
const step = (type: EventType, stepId: string, more: object = {}): Told => [W, type, { stepId, attempt: 1, by: 'h', holder: 'h', ...more }];

/** The numbers of the broken invariants. */
const broken = (log: readonly LoggedEvent[], slotsMax = 1): number[] =>
  checkHistory(log, { sha256, slotsMax })
    .filter(({ violations }) => violations.length > 0)
    .map(({ number }) => number);

const childRequested = (stream: string): Told => [
  stream,
  'WorkflowRequested',
  { request: { source: { kind: 'plan' }, parent: { workflowId: 'w', stepId: 'a', attempt: 1, depth: 1 } } },
];

const good = (): LoggedEvent[] =>
  logOf(
    [W, 'WorkflowRequested', { request: { source: { kind: 'task', taskId: 't' } } }],
    [W, 'WorkflowAdmitted'],
    plan({ id: 'a', dependsOn: [] }, { id: 'b', dependsOn: ['a'] }),
    step('StepReadied', 'a', { kind: 'workflow.run' }),
    step('StepStarted', 'a', { holder: 'c' }),
    childRequested('workflow-c'),
    ['workflow-c', 'WorkflowAdmitted'],
    ['workflow-c', 'WorkflowEnded'],
    step('StepSucceeded', 'a', { by: 'c' }),
    step('StepReadied', 'b'),
    step('StepSucceeded', 'b'),
    [W, 'ValidationRecorded', { passed: true, commit: 'abc' }],
    [W, 'PullRequestMerged', { commit: 'abc' }],
    [W, 'WorkflowEnded'],
  );

describe('checking a history', () => {
  it('finds nothing wrong with a good one and says how much it looked at', () => {
    expect(broken(good())).toEqual([]);
    const reports = checkHistory(good(), { sha256, slotsMax: 1 });
    expect(reports.map(({ number }) => number)).toEqual([1, 2, 3, 6, 7, 9, 10, 12, 14, 15]);
    expect(reports.every(({ checked }) => checked > 0)).toBe(true);
  });

  it('finds a hole in the positions (I1)', () => {
    expect(broken(good().map((event) => (event.position > 5 ? { ...event, position: event.position + 1 } : event)))).toEqual([1]);
  });

  it('finds a changed byte and a removed event in a stream (I2)', () => {
    const changed = good().map((event) => (event.position === 1 ? { ...event, dataText: event.dataText.replace('"t"', '"u"') } : event));
    expect(broken(changed)).toEqual([2]);
    const ofOneStream = changed.filter(({ stream }) => stream === W);
    expect(verifyChain(ofOneStream, sha256)).toHaveLength(1);
    expect(
      verifyChain(
        good().filter(({ stream, version }) => stream === W && version !== 4),
        sha256,
      ).length,
    ).toBeGreaterThan(0);
  });

  it('finds a command that wrote to two streams, or twice (I3)', () => {
    const same = { commandId: 'one' as CommandId };
    expect(broken(logOf(['workflow-x', 'WorkflowAdmitted', {}, same], ['workflow-y', 'WorkflowPaused', {}, same]))).toEqual([3]);
    expect(broken(logOf([W, 'WorkflowPaused', {}, same], [W, 'WorkflowResumed'], [W, 'WorkflowPaused', {}, same]))).toEqual([3]);
    const causedBy = (causationId: string): Partial<LoggedEvent> => ({ ...same, actor: { kind: 'system', id: 's' }, causationId });
    expect(broken(logOf([W, 'WorkflowPaused', {}, causedBy('one')], [W, 'WorkflowResumed', {}, causedBy('one')]))).toEqual([]);
    expect(broken(logOf([W, 'WorkflowPaused', {}, causedBy('one')], [W, 'WorkflowResumed', {}, causedBy('two')]))).toEqual([3]);
  });

  it('finds an attempt that ends twice and an event after the end (I6)', () => {
    expect(broken(logOf(step('StepReadied', 'a'), step('StepSucceeded', 'a'), step('StepFailed', 'a')))).toEqual([6]);
    expect(broken(logOf([W, 'WorkflowEnded'], [W, 'WorkflowTransitioned']))).toEqual([6]);
  });

  it('finds a step that starts before its dependency is settled (I7)', () => {
    expect(broken(logOf(plan({ id: 'a', dependsOn: [] }, { id: 'b', dependsOn: ['a'] }), step('StepReadied', 'b')))).toEqual([7]);
    expect(
      broken(
        logOf(
          plan({ id: 'a', dependsOn: [] }, { id: 'b', dependsOn: ['a'] }),
          step('StepReadied', 'a'),
          step('StepFailed', 'a'),
          step('StepReadied', 'b'),
        ),
      ),
    ).toEqual([7]);
  });

  it('finds a tenant and an agent over their limits, but lets a commit take a place and give one back (I9)', () => {
    const admitted: readonly Told[] = [
      ['workflow-x', 'WorkflowAdmitted'],
      ['workflow-y', 'WorkflowAdmitted'],
    ];
    expect(broken(logOf(...admitted))).toEqual([9]);
    const swap = { recordedAt: '2026-01-02T00:00:00.000Z' as Timestamp };
    expect(
      broken(
        logOf(['workflow-x', 'WorkflowAdmitted'], ['workflow-y', 'WorkflowAdmitted', {}, swap], ['workflow-x', 'WorkflowPaused', {}, swap]),
      ),
    ).toEqual([]);
    const assigned = (stepId: string): Told => step('StepAssigned', stepId, { assignment: { agentId: 'ada' } });
    const agent: Told = ['agent-ada', 'AgentRegistered', { profile: { maxConcurrent: 1 } }];
    expect(broken(logOf(agent, assigned('a'), step('StepStarted', 'a'), assigned('b'), step('StepStarted', 'b')))).toEqual([9]);
    expect(
      broken(logOf(agent, assigned('a'), step('StepStarted', 'a'), step('StepFailed', 'a'), assigned('b'), step('StepStarted', 'b'))),
    ).toEqual([]);
  });

  it('finds a task with two active workflows (I10)', () => {
    const asked = (stream: string): Told => [stream, 'WorkflowRequested', { request: { source: { kind: 'task', taskId: 't' } } }];
    expect(broken(logOf(asked('workflow-x'), asked('workflow-y')))).toEqual([10]);
    expect(broken(logOf(asked('workflow-x'), ['workflow-x', 'WorkflowEnded'], asked('workflow-y')))).toEqual([]);
  });

  it('finds a merge of what was never validated (I12)', () => {
    expect(broken(logOf([W, 'ValidationRecorded', { passed: false, commit: 'abc' }], [W, 'PullRequestMerged', { commit: 'abc' }]))).toEqual(
      [12],
    );
  });

  it('finds an attempt with two holders (I14)', () => {
    expect(broken(logOf(step('StepStarted', 'a'), step('StepStarted', 'a', { holder: 'other' })))).toEqual([14]);
    expect(broken(logOf(step('StepStarted', 'a'), step('StepSucceeded', 'a', { by: 'other' })))).toEqual([14]);
  });

  it('finds a child that its parent did not start, a second one, and one that outlives its parent (I15)', () => {
    const begun = [step('StepReadied', 'a', { kind: 'workflow.run' }), step('StepStarted', 'a', { holder: 'c' })];
    expect(broken(logOf(...begun, childRequested('workflow-c'), ['workflow-c', 'WorkflowEnded'], [W, 'WorkflowEnded']))).toEqual([]);
    expect(broken(logOf(childRequested('workflow-c')))).toEqual([15]);
    expect(broken(logOf(begun[0] as Told, childRequested('workflow-c')))).toEqual([15]);
    expect(broken(logOf(...begun, childRequested('workflow-other')))).toEqual([15]);
    expect(broken(logOf(...begun, childRequested('workflow-c'), childRequested('workflow-d')))).toEqual([15]);
    expect(broken(logOf(...begun, childRequested('workflow-c'), [W, 'WorkflowEnded']))).toEqual([15]);
  });

  it('checks what clients were told when it is given their records (I4)', () => {
    const log = logOf([W, 'WorkflowAdmitted', {}, { commandId: clientCommandId(DEFAULT_TENANT, 'key') }]);
    const check = (position: number) =>
      checkHistory(log, { sha256, records: [{ kind: 'accepted', key: 'key', stream: W, version: 1, position }] })
        .filter(({ violations }) => violations.length > 0)
        .map(({ number }) => number);
    expect(check(1)).toEqual([]);
    expect(check(2)).toEqual([4]);
  });
});
