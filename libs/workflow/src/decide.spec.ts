import type { WorkflowCommand } from '@taskmaster/contracts';
import { describe, expect, it } from '@jest/globals';
import { stepRows, workflowRow } from './rows.js';
import {
  agentStep,
  assignment,
  diamond,
  lines,
  noopStep,
  options,
  planRequest,
  requirementRequest,
  step,
  story,
  type Story,
} from './story.fixture.js';

const cicd = (): Story => story().request(requirementRequest()).planned(agentStep('one'));
const running = (): Story => cicd().start('one', 1, assignment);

describe('the simple profile', () => {
  it('costs sixteen events for a five-step diamond, in four commands besides the joins', () => {
    const told = story().request(planRequest(diamond));
    expect(lines(told.events)).toEqual([
      'WorkflowRequested',
      'WorkflowAdmitted',
      'WorkflowTransitioned in_progress',
      'PlanAdopted',
      'StepReadied a',
    ]);
    told.complete('a').complete('b').complete('c').complete('d').complete('e');
    expect(told.events).toHaveLength(16);
    expect(lines(told.events).slice(-3)).toEqual(['StepSucceeded e', 'WorkflowTransitioned completed', 'WorkflowEnded']);
  });

  it('waits in pending while no slot is free and starts when it is admitted', () => {
    const told = story().request(planRequest(diamond), { slotFree: false });
    expect(lines(told.events)).toEqual(['WorkflowRequested']);
    expect(told.when({ type: 'AdmitWorkflow', data: {} }, { slotFree: false }).kind).toBe('later');
    told.must({ type: 'AdmitWorkflow', data: {} });
    expect(lines(told.events).slice(1)).toEqual(['WorkflowAdmitted', 'WorkflowTransitioned in_progress', 'PlanAdopted', 'StepReadied a']);
  });

  it('readies no more steps at once than the workflow allows', () => {
    const told = story().request(
      planRequest({ steps: ['a', 'b', 'c'].map((id) => noopStep(id)) }, { options: { ...options, maxConcurrentSteps: 2 } }),
    );
    expect(lines(told.events).filter((line) => line.startsWith('StepReadied'))).toEqual(['StepReadied a', 'StepReadied b']);
    told.complete('a');
    expect(lines(told.events).at(-1)).toBe('StepReadied c');
  });

  it('goes on past a failed step whose policy says to continue', () => {
    const forgiving = { ...noopStep('a'), onFailure: 'continue', retry: { maxAttempts: 1 } } as const;
    const told = story()
      .request(planRequest({ steps: [forgiving, noopStep('b', 'a')] }))
      .fail('a')
      .complete('b');
    expect(told.live.ended?.outcome).toBe('completed');
  });
});

describe('the cicd profile', () => {
  it('walks every state from the requirement to the merge', () => {
    const told = running().complete('one', { commit: 'c' }).landed(1).validated(1, true).merged(1);
    expect(
      lines(told.events)
        .filter((line) => line.startsWith('WorkflowTransitioned'))
        .map((line) => line.split(' ')[1]),
    ).toEqual([
      'nlp_parsing',
      'task_decomposition',
      'dependency_resolution',
      'agent_assignment',
      'processing',
      'pr_created',
      'validation_running',
      'validation_passed',
      'merged',
    ]);
    expect(told.live.ended).toMatchObject({ outcome: 'completed', result: { commit: 'merge-1' } });
  });

  it('leaves agent_assignment with the first assignment', () => {
    expect(cicd().live.state).toBe('agent_assignment');
    expect(running().live.state).toBe('processing');
  });

  it('repairs a failed validation with a fix step that carries the findings', () => {
    const told = running().complete('one', {}).landed(1).validated(1, false);
    expect(told.live.state).toBe('processing');
    expect(told.step('fix-1')?.spec.input['instruction']).toContain('the output');
    told.start('fix-1', 1, assignment).complete('fix-1', {}).landed(2).validated(2, true).merged(2);
    expect(told.live.ended?.outcome).toBe('completed');
  });

  it('asks a person when the limit of fix cycles is reached, and fails when nobody answers', () => {
    const told = story()
      .request(requirementRequest({ options: { ...options, maxFixCycles: 1 } }))
      .planned(agentStep('one'))
      .start('one', 1, assignment)
      .complete('one');
    told.landed(1).validated(1, false).start('fix-1', 1, assignment).complete('fix-1').landed(2).validated(2, false);
    expect(told.live.escalation?.reason).toBe('validation still fails after 1 fix cycles');
    expect(told.live.slot).toBe('none');
    told.after(60_000).must({ type: 'ExpireWorkflow', data: {} });
    told.start('tm-discard-0').complete('tm-discard-0', { leftovers: [] });
    expect(told.live.ended?.outcome).toBe('failed');
  });

  it('tries once more when the person says retry', () => {
    const told = story()
      .request(requirementRequest({ options: { ...options, maxFixCycles: 0 } }))
      .planned(agentStep('one'))
      .start('one', 1, assignment)
      .complete('one');
    told.landed(1).validated(1, false);
    const escalationId = told.live.escalation?.escalationId ?? '';
    told.must({ type: 'ResolveEscalation', data: { escalationId, decision: 'retry', note: 'once more' } });
    expect(lines(told.events).at(-1)).toBe('StepReadied fix-1');
  });

  it('repairs when the target moved and the merged result no longer passes', () => {
    const told = running().complete('one').landed(1).validated(1, true).start('tm-merge-1');
    const checks = [{ name: 'npm test', passed: false, durationMs: 1, outputTail: 'conflict of meaning' }];
    told.complete('tm-merge-1', { merged: false, reason: 'validation-failed', base: 'moved', commit: 'candidate', checks });
    expect(told.live.state).toBe('processing');
  });

  it('does not believe the merge of a commit that nobody validated', () => {
    const told = running().complete('one').landed(1).validated(1, true).start('tm-merge-1');
    told.complete('tm-merge-1', { merged: true, commit: 'another', number: 1, target: 'main' });
    expect(lines(told.events)).not.toContain('PullRequestMerged');
    expect(lines(told.events).at(-2)).toBe('StepFailed tm-merge-1');
  });

  it('ends as completed, with the reason, when the target holds the change already', () => {
    const told = running().complete('one').start('tm-land-1');
    told.complete('tm-land-1', { alreadyThere: true, target: 'main', commit: 'head' });
    expect(told.live.ended).toMatchObject({ outcome: 'completed', reason: 'already there', result: {} });
    expect(lines(told.events).filter((line) => /PullRequest|Validation|tm-(validate|merge)/.test(line))).toEqual([]);
  });

  it('closes the pull request of an earlier cycle when the repaired change is there already', () => {
    const told = running().complete('one').landed(1).validated(1, false).start('fix-1', 1, assignment).complete('fix-1').start('tm-land-2');
    told.complete('tm-land-2', { alreadyThere: true, target: 'main', commit: 'head' });
    expect(lines(told.events)).toContain('PullRequestClosed');
    expect(told.live).toMatchObject({ pullRequest: { state: 'closed' }, ended: { outcome: 'completed', reason: 'already there' } });
  });

  it('plans one undivided step when language understanding is switched off', () => {
    const told = story().request(requirementRequest({ options: { ...options, enableNlp: false } }));
    expect(lines(told.events).at(-1)).toBe('StepReadied implement');
  });

  it('never cuts the requirement of an undivided step: what a notice does not carry is asked for', () => {
    const undivided = (source: { text: string; contentHash?: string }): unknown =>
      story()
        .request(requirementRequest({ source: { kind: 'requirement', ...source }, options: { ...options, enableNlp: false } }))
        .step('implement')?.spec.input;
    const title = 'Implement the requirement';
    expect(undivided({ text: 'short' })).toEqual({ title, instruction: 'short' });
    expect(undivided({ text: 'x'.repeat(5_000) })).toEqual({ title, instructionFrom: 'requirement' });
    expect(undivided({ text: 'the beginning', contentHash: 'ab' })).toEqual({ title, instructionFrom: 'requirement' });
  });
});

describe('pause and resume', () => {
  it('starts nothing while paused, accepts what was running, and readies the rest again with the same attempt', () => {
    const told = story().request(requirementRequest()).planned(agentStep('one'), agentStep('two')).start('one', 1, assignment);
    told.must({ type: 'PauseWorkflow', data: { reason: 'lunch' } });
    expect(told.live.slot).toBe('none');
    expect(told.when({ type: 'StartStep', data: { stepId: step('two'), attempt: 1, holder: 'h', leaseMs: 1 } }).kind).toBe('noop');
    told.complete('one');
    told.after(5_000).must({ type: 'ResumeWorkflow', data: { reason: 'back' } });
    expect(lines(told.events).slice(-3)).toEqual(['WorkflowResumed', 'WorkflowAdmitted', 'StepReadied two']);
    expect(told.step('two')?.situation).toMatchObject({ status: 'ready', attempt: 1 });
  });

  it('starts nothing while it waits for a slot again, and has no timers that would send it to anybody', () => {
    const told = story().request(requirementRequest()).planned(agentStep('one'), agentStep('two'));
    told.start('two', 1, assignment).fail('two', { type: 'network', message: 'unreachable', retryable: true });
    told.must({ type: 'PauseWorkflow', data: { reason: '' } }).must({ type: 'ResumeWorkflow', data: { reason: '' } }, { slotFree: false });
    const start = { type: 'StartStep', data: { stepId: step('one'), attempt: 1, holder: 'h', leaseMs: 1 } } as const;
    expect(told.when(start).kind).toBe('noop');
    expect(told.after(60_000).when({ type: 'RetryStep', data: { stepId: step('two'), attempt: 2 } }).kind).toBe('noop');
    expect(stepRows({ status: 'absent' }, told.live).map(({ stepId, dueAt }) => [stepId, dueAt])).toEqual([
      ['tm-analyze-1', null],
      ['tm-plan-1', null],
      ['one', null],
      ['two', null],
    ]);
    const queued = told.live;
    told.must({ type: 'AdmitWorkflow', data: {} });
    expect(lines(told.events).slice(-2)).toEqual(['WorkflowAdmitted', 'StepReadied one']);
    const timers = stepRows(queued, told.live).filter(({ dueAt }) => dueAt !== null);
    expect(timers.map(({ stepId, status }) => [stepId, status])).toEqual([
      ['one', 'ready'],
      ['two', 'retrying'],
    ]);
    expect(told.when(start).kind).toBe('accepted');
  });

  it("does not count the pause against the workflow's deadline", () => {
    const told = cicd();
    const before = Date.parse(told.live.deadlineAt);
    told
      .must({ type: 'PauseWorkflow', data: { reason: '' } })
      .after(10_000)
      .must({ type: 'ResumeWorkflow', data: { reason: '' } });
    expect(Date.parse(told.live.deadlineAt) - before).toBe(10_001);
  });

  it('holds a due retry back until it is resumed', () => {
    const told = running()
      .fail('one', { type: 'network', message: 'unreachable', retryable: true })
      .must({ type: 'PauseWorkflow', data: { reason: '' } });
    expect(told.after(60_000).when({ type: 'RetryStep', data: { stepId: step('one'), attempt: 2 } }).kind).toBe('noop');
    told.must({ type: 'ResumeWorkflow', data: { reason: '' } }).must({ type: 'RetryStep', data: { stepId: step('one'), attempt: 2 } });
    expect(lines(told.events).at(-1)).toBe('StepReadied one');
  });
});

describe('cancel', () => {
  it('cancels open steps at once, discards what was left behind, then ends', () => {
    const told = running().must({ type: 'CancelWorkflow', data: { reason: 'changed my mind' } });
    expect(lines(told.events).slice(-4)).toEqual([
      'WorkflowCancellationRequested',
      'StepCancelled one',
      'WorkflowTransitioned cancelled',
      'StepReadied tm-discard-0',
    ]);
    expect(
      told.when({ type: 'CompleteStep', data: { stepId: step('one'), attempt: 1, by: 'holder', durationMs: 1, output: {} } }).kind,
    ).toBe('noop');
    told.start('tm-discard-0').complete('tm-discard-0', { leftovers: [] });
    expect(told.live.ended?.outcome).toBe('cancelled');
  });

  it('discards what a paused workflow left behind without waiting for it to be resumed', () => {
    const told = running()
      .complete('one')
      .must({ type: 'PauseWorkflow', data: { reason: 'lunch' } });
    told.must({ type: 'CancelWorkflow', data: { reason: 'changed my mind' } });
    expect(lines(told.events).at(-1)).toBe('StepReadied tm-discard-0');
    expect(stepRows({ status: 'absent' }, told.live).find(({ stepId }) => stepId === 'tm-discard-0')?.dueAt).not.toBeNull();
    told.start('tm-discard-0').complete('tm-discard-0', { leftovers: [] });
    expect(told.live.ended?.outcome).toBe('cancelled');
  });

  it('ends a waiting workflow that never ran', () => {
    const told = story()
      .request(planRequest(diamond), { slotFree: false })
      .must({ type: 'CancelWorkflow', data: { reason: 'no' } });
    expect(told.live.ended?.outcome).toBe('cancelled');
  });

  it('ends a squad workflow, which has no cancelled state, in failed with the outcome cancelled', () => {
    const told = story()
      .request(planRequest(diamond, { profile: 'squad' }))
      .must({ type: 'CancelWorkflow', data: { reason: 'no' } });
    expect(told.live).toMatchObject({ state: 'failed', ended: { outcome: 'cancelled' } });
  });

  it('is already so when asked twice', () => {
    const told = running().must({ type: 'CancelWorkflow', data: { reason: 'no' } });
    expect(told.when({ type: 'CancelWorkflow', data: { reason: 'no' } }).kind).toBe('noop');
  });
});

describe('manual drive', () => {
  const manual = (): Story => story().request(planRequest(diamond, { profile: 'squad', options: { ...options, drive: 'manual' } }));
  const move = (to: string): WorkflowCommand => ({ type: 'TransitionWorkflow', data: { to, reason: 'by hand', metadata: {} } });

  it('moves within the profile only', () => {
    const told = manual().must(move('analyzing')).must(move('blocked')).must(move('planning'));
    expect(told.when(move('completed'))).toMatchObject({
      kind: 'rejected',
      code: 'invalid-transition',
      data: { allowedTransitions: ['delegated', 'blocked', 'failed'] },
    });
  });

  it('ends in a terminal state', () => {
    expect(manual().must(move('analyzing')).must(move('failed')).live.ended?.outcome).toBe('failed');
  });
});

describe('strict workflows', () => {
  it("walk the seed's edges when fixes are exhausted", () => {
    const told = story()
      .request(requirementRequest({ options: { ...options, strict: true, maxFixCycles: 0 } }))
      .planned(agentStep('one'))
      .start('one', 1, assignment)
      .complete('one');
    told
      .landed(1)
      .validated(1, false)
      .must({
        type: 'ResolveEscalation',
        data: { escalationId: told.live.escalation?.escalationId ?? '', decision: 'fail', note: 'enough' },
      });
    expect(
      lines(told.events)
        .filter((line) => line.startsWith('WorkflowTransitioned'))
        .slice(-2),
    ).toEqual(['WorkflowTransitioned processing', 'WorkflowTransitioned failed']);
  });

  it('cannot be cancelled where the seed draws no such edge', () => {
    const told = story()
      .request(requirementRequest({ options: { ...options, strict: true } }))
      .planned(agentStep('one'))
      .start('one', 1, assignment)
      .complete('one')
      .landed(1);
    expect(told.when({ type: 'CancelWorkflow', data: { reason: 'late' } })).toMatchObject({ kind: 'rejected', code: 'invalid-transition' });
  });

  it('is not late any more while it merges, and late at once when that came to nothing', () => {
    const told = running().complete('one');
    told.landed(1).validated(1, true).start('tm-merge-1');
    expect(workflowRow(told.live)?.dueAt).toBeNull();
    expect(told.after(options.timeoutMs).when({ type: 'ExpireWorkflow', data: {} }).kind).toBe('noop');
    const checks = [{ name: 'npm test', passed: false, durationMs: 1, outputTail: '' }];
    told.complete('tm-merge-1', { merged: false, commit: 'merge-2', base: 'moved', checks });
    expect(workflowRow(told.live)?.dueAt).toBe(told.live.deadlineAt);
    told.must({ type: 'ExpireWorkflow', data: {} });
    expect(told.live).toMatchObject({ state: 'failed', reason: expect.stringContaining('took longer') });
  });
});
