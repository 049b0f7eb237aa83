import {
  childWorkflowId,
  msOf,
  type DomainEvent,
  type ParentStep,
  type StepError,
  type StepId,
  type Timestamp,
  type WorkflowCommand,
  type WorkflowId,
  type WorkflowRequest,
  type WorkflowRunInput,
} from '@taskmaster/contracts';
import { isLeaving } from './standing-still.js';
import { attemptOf, isChildRunning, type Step } from './step.js';
import type { LiveWorkflow, Workflow } from './state.js';
import { openSteps, stepOf } from './steps.js';

/** How long nobody need look at a running child: whoever follows it is told of what happens, and this is the net. */
export const CHILD_LEASE_MS = 2_000;

/** A parent's step and the child workflow that its current attempt is. */
export interface ChildStep {
  readonly workflowId: WorkflowId;
  readonly stepId: StepId;
}

/** The next command that brings a parent and its child together; `wait` while the child runs, `none` when the step needs no child. */
export type ChildMove =
  | { readonly to: 'parent' | 'child'; readonly command: WorkflowCommand }
  | { readonly to: 'wait'; readonly attempt: number; readonly holder: string }
  | { readonly to: 'none' };

const NONE: ChildMove = { to: 'none' };

const parentOf = (workflow: Workflow): ParentStep | undefined => (workflow.status === 'absent' ? undefined : workflow.request.parent);

/** The steps that must be looked at after an event: of its own workflow, or of the parent of the one that ended. */
export function followedChildren(workflowId: WorkflowId, event: Pick<DomainEvent, 'type' | 'data'>, after: Workflow): readonly ChildStep[] {
  const { type, data } = event as DomainEvent;
  switch (type) {
    case 'StepReadied':
      return data.kind === 'workflow.run' ? [{ workflowId, stepId: data.stepId }] : [];
    case 'WorkflowEnded': {
      const parent = parentOf(after);
      return parent === undefined ? [] : [parent];
    }
    case 'WorkflowCancellationRequested':
    case 'WorkflowTransitioned':
      return after.status === 'absent' || !isLeaving(after)
        ? []
        : openSteps(after.steps)
            .filter(isChildRunning)
            .map(({ spec }) => ({ workflowId, stepId: spec.id }));
    default:
      return [];
  }
}

/** The child that holds a step's attempt, when it has begun. */
export function childHolding({ stepId }: ChildStep, parent: Workflow): WorkflowId | undefined {
  const step = parent.status === 'absent' ? undefined : stepOf(parent.steps, stepId);
  return step?.spec.kind === 'workflow.run' && step.situation.status === 'running' ? (step.situation.holder as WorkflowId) : undefined;
}

/**
 * What brings a `workflow.run` step on: the attempt is started before its child is asked for, so a step that is cancelled first never has
 * one; a child whose parent no longer wants it is cancelled; its end settles the attempt. Asked again after every command, whoever sent it.
 */
export function nextChildMove(of: ChildStep, parent: Workflow, child: Workflow, now: Timestamp): ChildMove {
  const step = parent.status === 'active' ? stepOf(parent.steps, of.stepId) : undefined;
  if (parent.status === 'absent' || step?.spec.kind !== 'workflow.run') return NONE;
  if (step.situation.status === 'ready') return begin(of, step.situation.attempt);
  if (step.situation.status !== 'running') return NONE;
  if (child.status === 'absent')
    return { to: 'child', command: { type: 'RequestWorkflow', data: { request: childRequest(of, parent, step) } } };
  if (!isOf(child, of, step.situation.attempt)) return refuseChild(of, parent, 'another workflow has the name of its child');
  return child.status === 'ended' ? settled(step, child, now) : followed(parent, step, child, now);
}

/** A child that runs goes on, or is told once that nobody wants it any more. */
function followed(parent: LiveWorkflow, { situation }: Step, child: LiveWorkflow, now: Timestamp): ChildMove {
  if (situation.status !== 'running') return NONE;
  const { attempt, deadlineAt, holder } = situation;
  const reason = isLeaving(child) ? undefined : whyUnwanted(parent, deadlineAt, now);
  if (reason !== undefined) return { to: 'child', command: { type: 'CancelWorkflow', data: { reason } } };
  return { to: 'wait', attempt, holder };
}

function begin(of: ChildStep, attempt: number): ChildMove {
  const holder = childWorkflowId({ ...of, attempt });
  return toParent({ type: 'StartStep', data: { stepId: of.stepId, attempt, holder, leaseMs: CHILD_LEASE_MS } });
}

const toParent = (command: WorkflowCommand): ChildMove => ({ to: 'parent', command });

const isOf = ({ request: { parent } }: LiveWorkflow, { workflowId, stepId }: ChildStep, attempt: number): boolean =>
  parent?.workflowId === workflowId && parent.stepId === stepId && parent.attempt === attempt;

function whyUnwanted(parent: LiveWorkflow, deadlineAt: Timestamp, now: Timestamp): string | undefined {
  if (isLeaving(parent)) return `its parent workflow ends: ${parent.cancelling ?? parent.reason}`;
  return deadlineAt <= now ? "it took longer than its parent's step allows" : undefined;
}

/** The child delivers into its parent's repository, under its parent's options. */
function childRequest(of: ChildStep, { request }: LiveWorkflow, step: Step): WorkflowRequest {
  const input = step.spec.input as unknown as WorkflowRunInput;
  const { title, profile, priority, context } = input;
  return {
    profile: profile ?? request.profile,
    title: title ?? step.spec.title,
    source: 'plan' in input ? { kind: 'plan', plan: input.plan } : { kind: 'requirement', text: input.requirement },
    ...(request.repository === undefined ? {} : { repository: request.repository }),
    context: { ...request.context, ...context },
    priority: priority ?? request.priority,
    options: { ...request.options, drive: 'auto' },
    parent: { ...of, attempt: attemptOf(step), depth: (request.parent?.depth ?? 0) + 1 },
  };
}

/** What the end of a child makes of its parent's attempt. */
function settled(step: Step, child: LiveWorkflow, now: Timestamp): ChildMove {
  const { ended, requestedAt } = child;
  const { situation, spec } = step;
  if (ended === null || situation.status !== 'running') return NONE;
  const { holder, attempt } = situation;
  if (ended.outcome === 'completed') {
    const output = { workflowId: holder, outcome: ended.outcome, result: ended.result };
    const durationMs = msOf(ended.at) - msOf(requestedAt);
    return toParent({ type: 'CompleteStep', data: { stepId: spec.id, attempt, by: holder, durationMs, output } });
  }
  const late = situation.deadlineAt <= now;
  const error: StepError = {
    type: late ? 'timeout' : 'dependency',
    message: late
      ? `its child workflow took longer than ${String(spec.timeoutMs)} ms`
      : `its child workflow ${ended.outcome === 'cancelled' ? 'was cancelled' : 'failed'}: ${ended.reason}`,
    // Who cancelled a child wants no other one.
    retryable: late || ended.outcome === 'failed',
    detail: { workflowId: holder, outcome: ended.outcome, reason: ended.reason },
  };
  return toParent({ type: 'FailStep', data: { stepId: spec.id, attempt, by: holder, error } });
}

/** What becomes of a parent's attempt whose child will never be. */
export function refuseChild({ stepId }: ChildStep, parent: Workflow, message: string): ChildMove {
  const situation = parent.status === 'absent' ? undefined : stepOf(parent.steps, stepId)?.situation;
  if (situation?.status !== 'running') return NONE;
  const error: StepError = { type: 'validation', message, retryable: false };
  return toParent({ type: 'FailStep', data: { stepId, attempt: situation.attempt, by: situation.holder, error } });
}
