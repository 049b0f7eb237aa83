import { describe, expect, it } from '@jest/globals';
import {
  childWorkflowId,
  timestampOf,
  WORKFLOW_DEPTH_MAX,
  type JsonObject,
  type StepDraft,
  type StepId,
  type WorkflowCommand,
  type WorkflowId,
} from '@taskmaster/contracts';
import { CHILD_LEASE_MS, childHolding, followedChildren, nextChildMove, refuseChild } from './children.js';
import { parsePlan } from './plan.js';
import { quotaChanges } from './quota.js';
import { workflowRow } from './rows.js';
import { initialWorkflow, type Workflow } from './state.js';
import { lines, noopStep, options, planRequest, repository, story, type Story } from './story.fixture.js';
import { viewOfWorkflow } from './view.js';

const PARENT = 'wf_01kzq8m3v5abcdefghjkmnpqrs' as WorkflowId;
const OF = { workflowId: PARENT, stepId: 'child' as StepId };
const CHILD = childWorkflowId({ ...OF, attempt: 1 });

const childStep = (id: string, change: Partial<StepDraft> = {}): StepDraft => ({
  id,
  kind: 'workflow.run',
  input: { plan: { steps: [noopStep('inside')] } } as unknown as JsonObject,
  ...change,
});
const parentOf = (...steps: readonly StepDraft[]): Story => story().request(planRequest({ steps }));
const moveOf = (parent: Story, child?: Story, now = parent.now): ReturnType<typeof nextChildMove> =>
  nextChildMove(OF, parent.workflow, child?.workflow ?? initialWorkflow, now);

/** Makes the next move, which goes to one of the two. */
function bringOn(parent: Story, child: Story): WorkflowCommand['type'] | 'wait' | 'none' {
  const move = moveOf(parent, child);
  if (!('command' in move)) return move.to;
  (move.to === 'parent' ? parent : child).must(move.command);
  return move.command.type;
}

/** A parent whose step has begun, and the child that it asked for. */
function begun(change: Partial<StepDraft> = {}): { readonly parent: Story; readonly child: Story } {
  const [parent, child] = [parentOf(childStep('child', change)), story()];
  expect([bringOn(parent, child), bringOn(parent, child)]).toEqual(['StartStep', 'RequestWorkflow']);
  return { parent, child };
}

describe('a step that runs a child workflow', () => {
  it('starts its attempt before the child is asked for, waits for its end, and succeeds with it', () => {
    const { parent, child } = begun();
    expect(childHolding(OF, parent.workflow)).toBe(CHILD);
    expect(moveOf(parent, child)).toEqual({ to: 'wait', attempt: 1, holder: CHILD });
    child.complete('inside');
    expect(bringOn(parent, child)).toBe('CompleteStep');
    expect(parent.live.ended).toMatchObject({ outcome: 'completed' });
    expect(viewOfWorkflow(PARENT, parent.workflow)?.steps).toMatchObject([{ status: 'succeeded', childWorkflowId: CHILD }]);
    expect(bringOn(parent, child)).toBe('none');
  });

  it('gives the child what it says, and everything else of the parent', () => {
    const input = { requirement: 'Write the documentation', title: 'Docs', priority: 'high', context: { tone: 'plain' } };
    const steps = [childStep('child', { input })];
    const parent = story().request(
      planRequest({ steps }, { context: { tone: 'loud', team: 'a' }, options: { ...options, maxFixCycles: 7 } }),
    );
    const child = story();
    bringOn(parent, child);
    bringOn(parent, child);
    expect(child.live.request).toMatchObject({
      ...{ title: 'Docs', priority: 'high', profile: 'simple', context: { tone: 'plain', team: 'a' } },
      ...{ source: { kind: 'requirement', text: input.requirement }, options: { maxFixCycles: 7 } },
      parent: { workflowId: PARENT, stepId: 'child', attempt: 1, depth: 1 },
    });
    expect(viewOfWorkflow(CHILD, child.workflow)?.parent).toMatchObject({ workflowId: PARENT });
  });

  it('fails with its child, and is tried again with another one where its policy says so', () => {
    const { parent, child } = begun({ retry: { maxAttempts: 2 } });
    child.fail('inside', { type: 'validation', message: 'no', retryable: false });
    expect(bringOn(parent, child)).toBe('FailStep');
    expect(lines(parent.events)).toContain('StepRetryScheduled child');
    const again = moveOf(parent, child);
    expect(again).toMatchObject({ to: 'parent', command: { type: 'StartStep', data: { attempt: 2 } } });
    expect(again).not.toMatchObject({ command: { data: { holder: CHILD } } });
  });

  it('is tried once where its policy says nothing, and not again when a person cancelled the child', () => {
    const failed = begun();
    failed.child.fail('inside', { type: 'validation', message: 'no', retryable: false });
    bringOn(failed.parent, failed.child);
    expect(failed.parent.live.ended).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('its child workflow failed') });
    const cancelled = begun({ retry: { maxAttempts: 5 } });
    cancelled.child.must({ type: 'CancelWorkflow', data: { reason: 'not needed' } });
    bringOn(cancelled.parent, cancelled.child);
    expect(cancelled.parent.live.ended).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('its child workflow was cancelled: not needed'),
    });
  });

  it('cancels a child that takes longer than the step allows, and fails with a time-out when it has ended', () => {
    const { parent, child } = begun({ timeoutMs: 10_000 });
    parent.after(11_000);
    expect(moveOf(parent, child)).toMatchObject({ to: 'child', command: { type: 'CancelWorkflow' } });
    expect(bringOn(parent, child)).toBe('CancelWorkflow');
    expect(bringOn(parent, child)).toBe('FailStep');
    expect(parent.step('child')?.situation).toMatchObject({ status: 'failed', error: { type: 'timeout' } });
  });

  it('does not lose its lease: only its child can say what became of it', () => {
    const { parent } = begun();
    parent.after(CHILD_LEASE_MS * 100);
    const data = { stepId: OF.stepId, attempt: 1, leaseExpiresAt: timestampOf(0) };
    expect(parent.when({ type: 'ExpireStep', data })).toMatchObject({ kind: 'noop' });
    expect(parent.when({ type: 'CompleteStep', data: { ...data, by: 'somebody', durationMs: 1, output: {} } })).toMatchObject({
      kind: 'noop',
    });
  });

  it('leaves nothing to land, validate and merge to a parent that does no work of its own in the repository', () => {
    const [parent, child] = [
      story().request(planRequest({ steps: [childStep('child'), noopStep('last', 'child')] }, { repository })),
      story(),
    ];
    bringOn(parent, child);
    bringOn(parent, child);
    child.complete('inside').landed(1).validated(1, true).merged(1);
    bringOn(parent, child);
    parent.complete('last');
    expect(parent.live.ended).toMatchObject({ outcome: 'completed' });
    const working = story().request(
      planRequest(
        { steps: [{ ...noopStep('own'), input: { command: ['make'] } }, childStep('child', { onFailure: 'continue' })] },
        { repository },
      ),
    );
    const failing = story();
    bringOn(working, failing);
    bringOn(working, failing);
    failing.must({ type: 'CancelWorkflow', data: { reason: 'no' } });
    failing.start('tm-discard-0').complete('tm-discard-0', { leftovers: [] });
    bringOn(working, failing);
    working.complete('own');
    expect(working.step('tm-land-1')?.situation.status).toBe('ready');
  });

  it('fails when its child is refused, or another workflow has its name', () => {
    const { parent } = begun();
    const refused = refuseChild(OF, parent.workflow, 'it needs a repository');
    expect(refused).toMatchObject({ to: 'parent', command: { type: 'FailStep', data: { by: CHILD, error: { retryable: false } } } });
    const stranger = story().request(planRequest({ steps: [noopStep('a')] }));
    expect(moveOf(parent, stranger)).toMatchObject({
      command: { data: { error: { message: 'another workflow has the name of its child' } } },
    });
    expect(refuseChild(OF, initialWorkflow, 'no')).toEqual({ to: 'none' });
  });
});

describe('a parent that ends', () => {
  it('has no child when it is cancelled before the step began', () => {
    const parent = parentOf(childStep('child'));
    parent.must({ type: 'CancelWorkflow', data: { reason: 'no more' } });
    expect(moveOf(parent)).toEqual({ to: 'none' });
    expect(parent.live.ended).toMatchObject({ outcome: 'cancelled' });
  });

  it('cancels its child first and ends when that has ended', () => {
    const { parent, child } = begun();
    parent.must({ type: 'CancelWorkflow', data: { reason: 'no more' } });
    expect(parent.live).toMatchObject({ status: 'active', state: 'cancelled' });
    expect(workflowRow(parent.live)?.dueAt).toBeNull();
    expect(bringOn(parent, child)).toBe('CancelWorkflow');
    expect(child.live.ended).toMatchObject({ outcome: 'cancelled', reason: expect.stringContaining('no more') });
    expect(bringOn(parent, child)).toBe('FailStep');
    expect(lines(parent.events).slice(-2)).toEqual(['StepCancelled child', 'WorkflowEnded']);
    expect(parent.live.ended).toMatchObject({ outcome: 'cancelled' });
  });

  it('asks for a child that nobody asked for yet before it cancels it, because somebody may be about to', () => {
    const parent = parentOf(childStep('child'));
    const child = story();
    bringOn(parent, child);
    parent.must({ type: 'CancelWorkflow', data: { reason: 'no more' } });
    expect([bringOn(parent, child), bringOn(parent, child), bringOn(parent, child)]).toEqual([
      'RequestWorkflow',
      'CancelWorkflow',
      'FailStep',
    ]);
    expect(parent.live.ended).toMatchObject({ outcome: 'cancelled' });
  });

  it('waits for a child that completes all the same', () => {
    const { parent, child } = begun();
    parent.must({ type: 'CancelWorkflow', data: { reason: 'no more' } });
    child.complete('inside');
    expect(bringOn(parent, child)).toBe('CompleteStep');
    expect(parent.live.ended).toMatchObject({ outcome: 'cancelled' });
  });

  it('because another step failed ends its child as well, and fails when that has ended', () => {
    const [parent, child] = [parentOf(childStep('child'), noopStep('other')), story()];
    bringOn(parent, child);
    bringOn(parent, child);
    parent.fail('other', { type: 'validation', message: 'no', retryable: false });
    expect(parent.live.status).toBe('active');
    expect([bringOn(parent, child), bringOn(parent, child)]).toEqual(['CancelWorkflow', 'FailStep']);
    expect(parent.live.ended).toMatchObject({ outcome: 'failed' });
  });
});

describe('a child workflow', () => {
  it('runs in the slot of its root: it needs no free one, and takes and gives back none', () => {
    const { child } = begun();
    expect(child.events.find(({ type }) => type === 'WorkflowAdmitted')).toMatchObject({ data: { reason: 'with-root' } });
    const states: Workflow[] = [initialWorkflow, child.workflow];
    child.must({ type: 'PauseWorkflow', data: { reason: 'wait' } }, { slotFree: false });
    states.push(child.workflow);
    child.must({ type: 'ResumeWorkflow', data: { reason: 'go on' } }, { slotFree: false });
    states.push(child.workflow);
    expect(workflowRow(child.workflow)).toMatchObject({ status: 'running', queuedAt: null });
    child.complete('inside');
    states.push(child.workflow);
    expect(states.slice(1).flatMap((after, i) => quotaChanges(states[i] ?? initialWorkflow, after))).toEqual([]);
  });

  it('is admitted at once when no slot is free', () => {
    const parent = parentOf(childStep('child'));
    const child = story();
    bringOn(parent, child);
    const move = moveOf(parent, child);
    if (!('command' in move)) throw new Error('the child is asked for');
    child.must(move.command, { slotFree: false });
    expect(child.live.slot).toBe('held');
  });

  it('lies at most so deep, by the plan that is given and by what it asks for itself', () => {
    const nested = (depth: number): StepDraft =>
      depth === 0 ? noopStep('inside') : childStep('child', { input: { plan: { steps: [nested(depth - 1)] } } as unknown as JsonObject });
    expect(parsePlan({ steps: [nested(WORKFLOW_DEPTH_MAX)] }).ok).toBe(true);
    expect(parsePlan({ steps: [nested(WORKFLOW_DEPTH_MAX + 1)] })).toMatchObject({ ok: false, error: { kind: 'plan-invalid-step' } });
    const parent = { workflowId: PARENT, stepId: 'child' as StepId, attempt: 1, depth: WORKFLOW_DEPTH_MAX + 1 };
    const request = planRequest({ steps: [noopStep('a')] }, { parent });
    expect(story().when({ type: 'RequestWorkflow', data: { request } })).toMatchObject({ kind: 'rejected', code: 'workflow-too-deep' });
  });

  it.each([
    [{}, 'workflow.run needs input'],
    [{ requirement: 'a', plan: { steps: [] } }, 'workflow.run needs input'],
    [{ requirement: ' ' }, 'the requirement of its child workflow'],
    [{ requirement: 'a', profile: 'none' }, 'the profile of its child workflow'],
    [{ requirement: 'a', repository: 'x' }, 'a child workflow has no repository'],
    [{ plan: { steps: [] } }, 'the plan of its child workflow: the plan has no steps'],
  ])('is refused with the plan that asks for it: %j', (input, reason) => {
    expect(parsePlan({ steps: [childStep('child', { input })] })).toMatchObject({ error: { reason: expect.stringContaining(reason) } });
  });
});

describe('what is looked at after a commit', () => {
  it('is a step that became ready, the parent of what ended, and the children of what is leaving', () => {
    const { parent, child } = begun();
    const readied = parent.events.find(({ type }) => type === 'StepReadied');
    if (readied === undefined) throw new Error('the step was readied');
    expect(followedChildren(PARENT, readied, parent.workflow)).toEqual([OF]);
    child.complete('inside');
    const ended = child.events.at(-1);
    if (ended === undefined) throw new Error('the child has ended');
    expect(followedChildren(CHILD, ended, child.workflow)).toMatchObject([OF]);
    parent.must({ type: 'CancelWorkflow', data: { reason: 'no more' } });
    const requested = { type: 'WorkflowCancellationRequested', data: { reason: 'no more' } } as const;
    expect(followedChildren(PARENT, requested, parent.workflow)).toEqual([OF]);
  });
});
