import type { WorkflowCommand } from '@taskmaster/contracts';
import { describe, expect, it } from '@jest/globals';
import { agentStep, assignment, lines, requirementRequest, step, story, type Story } from './story.fixture.js';

const cicd = (): Story => story().request(requirementRequest()).planned(agentStep('one'));
const running = (): Story => cicd().start('one', 1, assignment);

describe('attempts', () => {
  it('answers another holder held, the same holder duplicate, and a stale attempt noop', () => {
    const told = running();
    const start = (holder: string, attempt = 1): WorkflowCommand => ({
      type: 'StartStep',
      data: { stepId: step('one'), attempt, holder, leaseMs: 1 },
    });
    expect(told.when(start('other'))).toEqual({ kind: 'held', holder: 'holder' });
    expect(told.when(start('holder'))).toEqual({ kind: 'duplicate' });
    expect(told.when(start('holder', 2)).kind).toBe('noop');
  });

  it('ignores a result from whoever does not hold the attempt', () => {
    const told = running();
    expect(
      told.when({ type: 'CompleteStep', data: { stepId: step('one'), attempt: 1, by: 'zombie', durationMs: 1, output: {} } }).kind,
    ).toBe('noop');
    expect(
      told
        .complete('one')
        .when({ type: 'CompleteStep', data: { stepId: step('one'), attempt: 1, by: 'holder', durationMs: 1, output: {} } }).kind,
    ).toBe('noop');
  });

  it('refuses the result of work with outside effects that was never started durably', () => {
    expect(
      cicd().when({ type: 'CompleteStep', data: { stepId: step('one'), attempt: 1, by: 'holder', durationMs: 1, output: {} } }).kind,
    ).toBe('noop');
  });

  it('gives a failed attempt to another agent at once', () => {
    const told = running().fail('one');
    expect(lines(told.events).slice(-3)).toEqual(['StepFailed one', 'StepRetryScheduled one', 'StepReadied one']);
    expect(told.step('one')?.excludedAgents).toEqual(['agent-1']);
  });

  it('waits before it tries a network failure again', () => {
    const told = running().fail('one', { type: 'network', message: 'unreachable', retryable: true });
    expect(told.step('one')?.situation.status).toBe('retrying');
    expect(told.when({ type: 'RetryStep', data: { stepId: step('one'), attempt: 2 } }).kind).toBe('later');
    told.after(6_000).must({ type: 'RetryStep', data: { stepId: step('one'), attempt: 2 } });
    expect(lines(told.events).at(-1)).toBe('StepReadied one');
  });

  it('fails the workflow when the policy is exhausted, and discards what it left behind before it ends', () => {
    const told = running()
      .fail('one')
      .start('one', 2, assignment)
      .fail('one', undefined, 2)
      .start('one', 3, assignment)
      .fail('one', undefined, 3);
    expect(told.live.state).toBe('failed');
    expect(told.live.status).toBe('active');
    told.start('tm-discard-0').complete('tm-discard-0', { leftovers: ['refs/tm/salvage/x'] });
    const end = told.events.at(-1);
    expect(end).toMatchObject({ type: 'WorkflowEnded', data: { outcome: 'failed', leftovers: ['refs/tm/salvage/x'] } });
  });

  it('does not count a lost holder against the policy', () => {
    const told = running();
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const leaseExpiresAt = told.after(20_000).now;
      told.must({ type: 'ExpireStep', data: { stepId: step('one'), attempt, leaseExpiresAt } }).start('one', attempt + 1, assignment);
    }
    expect(told.complete('one', {}, 6).live.state).toBe('processing');
  });

  it('fails an attempt past its deadline and leaves one within its lease alone', () => {
    const told = running();
    expect(told.when({ type: 'ExpireStep', data: { stepId: step('one'), attempt: 1, leaseExpiresAt: told.after(10).now } }).kind).toBe(
      'accepted',
    );
    const other = running();
    expect(other.when({ type: 'ExpireStep', data: { stepId: step('one'), attempt: 1 } }).kind).toBe('noop');
    other.after(1_800_001).must({ type: 'ExpireStep', data: { stepId: step('one'), attempt: 1 } });
    expect(other.events.at(-3)).toMatchObject({ type: 'StepFailed', data: { error: { type: 'timeout' } } });
  });

  it('asks again later when the agent is at its limit', () => {
    const told = cicd();
    expect(
      told.when({ type: 'StartStep', data: { stepId: step('one'), attempt: 1, holder: 'h', leaseMs: 1, assignment } }, { agentFree: false })
        .kind,
    ).toBe('later');
  });

  it('records progress of a running attempt only', () => {
    const report: WorkflowCommand = { type: 'ReportProgress', data: { stepId: step('one'), attempt: 1, message: 'halfway' } };
    expect(cicd().when(report).kind).toBe('noop');
    expect(running().when(report).kind).toBe('accepted');
  });
});
