import { describe, expect, it } from '@jest/globals';
import {
  PROFILE_NAMES,
  type OnFailure,
  type ProfileName,
  type StepDraft,
  type WorkflowCommand,
  type WorkflowId,
} from '@taskmaster/contracts';
import { quotaChanges } from './quota.js';
import { statusOf, stepRows, workflowRow } from './rows.js';
import { initialWorkflow } from './state.js';
import { lines, noopStep, options, planRequest, repository, story, type Story } from './story.fixture.js';
import { viewOfWorkflow } from './view.js';

const POLICIES: readonly OnFailure[] = ['fail', 'continue', 'escalate', 'block'];
const CASES = PROFILE_NAMES.flatMap((profile) => POLICIES.map((policy): [ProfileName, OnFailure] => [profile, policy]));

const once = { maxAttempts: 1 };
const fragile = (onFailure: OnFailure): StepDraft => ({ ...noopStep('fragile'), onFailure, retry: once });

/** What a profile and a policy make of a failed step: where the workflow waits, or how it ended. */
const EXPECTED: Readonly<Record<ProfileName, Readonly<Record<OnFailure, string>>>> = {
  simple: { fail: 'ended failed', continue: 'ended completed', escalate: 'waiting in in_progress', block: 'blocked in blocked' },
  squad: { fail: 'ended failed', continue: 'ended completed', escalate: 'waiting in in_progress', block: 'blocked in blocked' },
  cicd: { fail: 'ended failed', continue: 'ended completed', escalate: 'waiting in processing', block: 'waiting in processing' },
};

/** `fragile` fails with `policy`; `after` depends on it and `beside` does not. */
const told = (profile: ProfileName, policy: OnFailure): Story =>
  story().request(planRequest({ steps: [fragile(policy), noopStep('after', 'fragile'), noopStep('beside')] }, { profile }));

const standing = ({ live }: Story): string => (live.ended === null ? `${statusOf(live)} in ${live.state}` : `ended ${live.ended.outcome}`);

const answer = (t: Story, decision: 'retry' | 'fail', slotFree = true): Story =>
  t.must(
    { type: 'ResolveEscalation', data: { escalationId: t.live.escalation?.escalationId ?? '', decision, note: 'as decided' } },
    { slotFree },
  );

const retry = (stepId: string, attempt: number): WorkflowCommand => ({ type: 'RetryStep', data: { stepId, attempt } }) as WorkflowCommand;

const since = (t: Story, mark: number): readonly string[] => lines(t.events.slice(mark));

describe('what follows when the policy of a step is exhausted', () => {
  it.each(CASES)('is what the step says: profile %s, onFailure %s', (profile, policy) => {
    const t = told(profile, policy).complete('beside').fail('fragile');
    if (policy === 'continue') t.complete('after');
    expect(standing(t)).toBe(EXPECTED[profile][policy]);
    const asks = policy === 'escalate' || policy === 'block';
    expect(t.live.escalation === null).toBe(!asks);
    expect(t.live.slot).toBe('none');
    if (asks) expect(t.live.escalation).toMatchObject({ stepId: 'fragile', reason: 'fragile: it changed nothing' });
  });

  const asking = CASES.filter(([, policy]) => policy === 'escalate' || policy === 'block');

  it.each(asking)('takes no slot while it is paused, when the person answers then: profile %s, onFailure %s', (profile, policy) => {
    const t = told(profile, policy)
      .complete('beside')
      .fail('fragile')
      .must({ type: 'PauseWorkflow', data: { reason: 'wait' } });
    answer(t, 'retry');
    expect([t.live.slot, statusOf(t.live), workflowRow(t.live)?.queuedAt]).toEqual(['none', 'paused', null]);
    expect(t.when({ type: 'AdmitWorkflow', data: {} })).toMatchObject({ kind: 'noop' });
    t.must({ type: 'ResumeWorkflow', data: { reason: 'go on' } });
    expect([t.live.slot, statusOf(t.live)]).toEqual(['held', 'running']);
  });

  it.each(asking)('is one attempt more when the person says retry: profile %s, onFailure %s', (profile, policy) => {
    const t = told(profile, policy).complete('beside');
    const { state } = t.live;
    answer(t.fail('fragile'), 'retry');
    expect({ state: t.live.state, slot: t.live.slot, step: t.step('fragile')?.situation.status }).toEqual({
      ...{ state, slot: 'held', step: 'retrying' },
    });
    t.must(retry('fragile', 2)).complete('fragile', {}, 2).complete('after');
    expect(standing(t)).toBe('ended completed');
  });

  it.each(asking)('is asked again when that attempt fails too: profile %s, onFailure %s', (profile, policy) => {
    const t = told(profile, policy).complete('beside').fail('fragile');
    const first = t.live.escalation?.escalationId;
    answer(t, 'retry').must(retry('fragile', 2)).fail('fragile', undefined, 2);
    expect(standing(t)).toBe(EXPECTED[profile][policy]);
    expect(t.live.escalation?.escalationId).not.toBe(first);
  });

  it.each(asking)('is the end when the person says so: profile %s, onFailure %s', (profile, policy) => {
    const t = answer(told(profile, policy).complete('beside').fail('fragile'), 'fail');
    expect(t.live.ended).toMatchObject({ outcome: 'failed', reason: 'as decided' });
  });

  it.each(asking)('is the end when nobody answers in time: profile %s, onFailure %s', (profile, policy) => {
    const t = told(profile, policy).complete('beside').fail('fragile');
    expect(workflowRow(t.live)?.dueAt).toBe(t.live.escalation?.deadlineAt);
    t.after(options.escalationTimeoutMs).must({ type: 'ExpireWorkflow', data: {} });
    expect(t.live.ended).toMatchObject({ outcome: 'failed', reason: 'nobody answered the escalation in time' });
  });

  it.each(asking.flatMap(([profile, policy]) => (['retry', 'fail'] as const).map((decision) => [profile, policy, decision] as const)))(
    'is not answered any more when the workflow is on its way to its end: profile %s, onFailure %s, a person says %s',
    (profile, policy, decision) => {
      const steps = [fragile(policy), noopStep('after', 'fragile')];
      const t = story().request(planRequest({ steps }, { profile, repository })).fail('fragile');
      const { escalationId = '' } = t.live.escalation ?? {};
      t.must({ type: 'CancelWorkflow', data: { reason: 'no longer wanted' } });
      // What the failed step left behind is still to be discarded.
      expect(t.live.ended).toBeNull();
      expect(workflowRow(t.live)?.dueAt).toBeNull();
      expect(viewOfWorkflow('wf_1' as WorkflowId, t.live)?.escalation).toBeUndefined();
      const said = { type: 'ResolveEscalation', data: { escalationId, decision, note: 'too late' } } as const;
      expect(t.when(said)).toMatchObject({ kind: 'rejected', code: 'workflow-cancelling' });
      expect(t.when({ type: 'ExpireWorkflow', data: {} }).kind).toBe('noop');
    },
  );

  it.each(asking)('can be cancelled while it waits: profile %s, onFailure %s', (profile, policy) => {
    const t = told(profile, policy).complete('beside').fail('fragile');
    t.must({ type: 'CancelWorkflow', data: { reason: 'no longer wanted' } });
    expect(t.live.ended?.outcome).toBe('cancelled');
  });
});

describe('a step whose failure is escalated', () => {
  it('stops what has not begun, lets running attempts end, and readies again what was dropped', () => {
    const steps = ['running', 'ready'].map((id) => noopStep(id));
    const t = story()
      .request(planRequest({ steps: [fragile('escalate'), ...steps, noopStep('last', 'running')] }))
      .start('running')
      .fail('fragile');
    const asked = t.events.length;
    expect(t.when({ type: 'StartStep', data: { stepId: 'ready' as never, attempt: 1, holder: 'holder', leaseMs: 1_000 } }).kind).toBe(
      'noop',
    );
    expect(stepRows(initialWorkflow, t.live).find(({ stepId }) => stepId === 'ready')?.dueAt).toBeNull();
    t.complete('running');
    expect(since(t, asked)).toEqual(['StepSucceeded running']);
    answer(t, 'retry');
    expect(since(t, asked).slice(1)).toEqual([
      ...['EscalationResolved', 'StepRetryScheduled fragile', 'WorkflowAdmitted', 'StepReadied ready', 'StepReadied last'],
    ]);
  });

  it('gives the slot back, and waits for one with its retry', () => {
    const asking = told('simple', 'escalate').fail('fragile');
    expect(quotaChanges(initialWorkflow, asking.live)).toEqual([]);
    const t = answer(asking, 'retry', false);
    expect(t.live.slot).toBe('queued');
    expect(t.when(retry('fragile', 2)).kind).toBe('noop');
    t.must({ type: 'AdmitWorkflow', data: {} }).must(retry('fragile', 2));
    expect(t.step('fragile')?.situation).toMatchObject({ status: 'ready', attempt: 2 });
  });

  it('still waits for the person, without a slot, after a pause', () => {
    const t = told('simple', 'escalate').fail('fragile');
    t.must({ type: 'PauseWorkflow', data: { reason: 'lunch' } }).must({ type: 'ResumeWorkflow', data: { reason: 'back' } });
    expect({ standing: standing(t), slot: t.live.slot }).toEqual({ standing: 'waiting in in_progress', slot: 'none' });
    expect(answer(t, 'retry').live.slot).toBe('held');
  });

  it('fails the workflow when another step failed that nobody may be asked about', () => {
    const t = story()
      .request(planRequest({ steps: [fragile('escalate'), { ...noopStep('strict'), retry: once }] }))
      .start('strict')
      .fail('fragile')
      .fail('strict');
    expect(standing(t)).toBe('waiting in in_progress');
    expect(standing(answer(t, 'retry'))).toBe('ended failed');
  });
});

describe('a step whose failure blocks', () => {
  it('lets go on what does not depend on it, and asks when nothing else can be done', () => {
    const t = story().request(planRequest({ steps: [fragile('block'), noopStep('after', 'fragile'), noopStep('b'), noopStep('c', 'b')] }));
    const mark = t.fail('fragile').events.length;
    expect(standing(t)).toBe('running in in_progress');
    t.complete('b').complete('c');
    expect(since(t, mark)).toEqual([
      ...['StepSucceeded b', 'StepReadied c', 'StepSucceeded c', 'EscalationRaised fragile', 'WorkflowTransitioned blocked'],
    ]);
  });

  it('waits where it is when a strict profile draws no edge to blocked', () => {
    const strict = { ...options, strict: true };
    const t = story()
      .request(planRequest({ steps: [fragile('block')] }, { options: strict }))
      .fail('fragile');
    expect(standing(t)).toBe('waiting in in_progress');
  });
});
