import {
  addMs,
  assertNever,
  exceedsBytes,
  invariant,
  msOf,
  PLAN_PART_BYTES_MAX,
  REQUIREMENT_BYTES_MAX,
  WORKFLOW_DEPTH_MAX,
  type Timestamp,
  type WorkflowClientCommand,
  type WorkflowCommand,
  type WorkflowEvent,
  type WorkflowRequest,
} from '@taskmaster/contracts';
import { advance, cancelOpenSteps, failFacts } from './advance.js';
import { noop, reject, type Decider, type DecisionContext, type Decision } from './decider.js';
import { decideStep } from './decide-step.js';
import { acceptDraft, record, type Draft } from './draft.js';
import { retryFacts } from './escalation.js';
import { describePlanFault, parsePlan, type PlanFault } from './plan.js';
import { allowedTransitions, isValidTransition } from './profiles/profile.js';
import { profileOf } from './profiles/index.js';
import { initialWorkflow, type LiveWorkflow, type Workflow } from './state.js';
import { isLeaving, isMerging } from './standing-still.js';
import { planAdopted } from './plan-parts.js';
import { evolve } from './workflow.js';

type No = Decision<WorkflowEvent>;

/** Dispatches on the situation first, then on the command. */
export function decide(command: WorkflowCommand, workflow: Workflow, context: DecisionContext): Decision<WorkflowEvent> {
  if (workflow.status === 'absent') {
    return command.type === 'RequestWorkflow'
      ? request(command.data.request, context)
      : reject('workflow-not-found', 'there is no such workflow');
  }
  if (command.type === 'RequestWorkflow') return reject('workflow-already-exists', 'this workflow was requested before');
  if (workflow.status === 'ended') return decideEnded(command);
  return decideActive(command, workflow, context);
}

function decideEnded(command: WorkflowCommand): No {
  switch (command.type) {
    case 'PauseWorkflow':
    case 'ResumeWorkflow':
    case 'CancelWorkflow':
    case 'TransitionWorkflow':
    case 'ResolveEscalation':
      return reject('workflow-ended', 'the workflow has ended', { allowedTransitions: [] });
    default:
      return noop('the workflow has ended');
  }
}

function decideActive(command: Exclude<WorkflowCommand, { type: 'RequestWorkflow' }>, w: LiveWorkflow, context: DecisionContext): No {
  switch (command.type) {
    case 'PauseWorkflow':
      return pause(command.data.reason, w, context);
    case 'ResumeWorkflow':
      return resume(command.data.reason, w, context);
    case 'CancelWorkflow':
      return cancel(command.data.reason, w, context);
    case 'TransitionWorkflow':
      return transition(command.data, w, context);
    case 'ResolveEscalation':
      return resolveEscalation(command.data, w, context);
    case 'AdmitWorkflow':
      return admit(w, context);
    case 'ExpireWorkflow':
      return expire(w, context);
    case 'StartStep':
    case 'ReportProgress':
    case 'CompleteStep':
    case 'FailStep':
    case 'RetryStep':
    case 'ExpireStep':
      return decideStep(command, w, context);
    default:
      return assertNever(command);
  }
}

const draftOf = (workflow: LiveWorkflow, now: Timestamp): Draft => ({ now, workflow, events: [] });

/** Takes a slot where one is believed free, then records whatever follows. */
function settle(draft: Draft, context: DecisionContext): No {
  const { workflow } = draft;
  const wantsSlot = workflow.status === 'active' && workflow.slot === 'queued' && workflow.cancelling === null;
  const isChild = workflow.request.parent !== undefined;
  const reason = isChild ? 'with-root' : workflow.version === 1 ? 'slot-free' : 'resumed';
  const admitted = wantsSlot && (isChild || context.slotFree) ? record(draft, { type: 'WorkflowAdmitted', data: { reason } }) : draft;
  return acceptDraft(advance(admitted));
}

function request(asked: WorkflowRequest, context: DecisionContext): No {
  const refused = refusalOf(asked);
  if (refused !== undefined) return refused;
  const { kept, adopted } = withPlanApart(asked);
  const first: WorkflowEvent = {
    type: 'WorkflowRequested',
    data: { request: kept, deadlineAt: addMs(context.now, asked.options.timeoutMs) },
  };
  const workflow = evolve(initialWorkflow, { ...first, at: context.now });
  if (workflow.status === 'absent') return noop('nothing was requested');
  return settle(record({ now: context.now, workflow, events: [first] }, ...adopted), context);
}

/** A plan that is too long for its request is adopted at once, so that it is recorded once and nothing waits to be looked up. */
function withPlanApart(asked: WorkflowRequest): { readonly kept: WorkflowRequest; readonly adopted: readonly WorkflowEvent[] } {
  const { source } = asked;
  if (source.kind !== 'plan' || !exceedsBytes(JSON.stringify(source.plan), PLAN_PART_BYTES_MAX)) return { kept: asked, adopted: [] };
  const plan = parsePlan(source.plan);
  invariant(plan.ok, 'a plan that cannot be adopted was refused before');
  return { kept: { ...asked, source: { kind: 'plan', plan: { steps: [] }, apart: true } }, adopted: planAdopted(plan.value, 'given') };
}

function refusalOf(asked: WorkflowRequest): No | undefined {
  if ((asked.parent?.depth ?? 0) > WORKFLOW_DEPTH_MAX)
    return reject('workflow-too-deep', `child workflows lie at most ${String(WORKFLOW_DEPTH_MAX)} deep under the first of them`);
  const { source } = asked;
  switch (source.kind) {
    case 'requirement':
      if (exceedsBytes(source.text, REQUIREMENT_BYTES_MAX))
        return reject('requirement-too-large', `a requirement is at most ${String(REQUIREMENT_BYTES_MAX)} bytes of text`);
      return undefined;
    case 'plan': {
      const plan = parsePlan(source.plan);
      if (!plan.ok) return reject(plan.error.kind, describePlanFault(plan.error), planFaultData(plan.error));
      if (asked.repository === undefined && plan.value.steps.some((step) => step.kind === 'agent.run')) {
        return reject('repository-required', 'an agent.run step needs a repository to work in');
      }
      return undefined;
    }
    case 'task':
    case 'definition':
      return reject('unsupported-source', `a workflow is requested by requirement or by plan; ${source.kind} is not supported yet`);
    default:
      return assertNever(source);
  }
}

const planFaultData = (fault: PlanFault): Record<string, string | number | readonly string[]> => {
  const { kind: _kind, ...data } = fault;
  return data;
};

function pause(reason: string, w: LiveWorkflow, context: DecisionContext): No {
  if (w.paused !== null) return reject('workflow-paused', 'the workflow is already paused', allowed(w));
  if (isLeaving(w)) return reject('workflow-cancelling', 'the workflow is on its way to its end', allowed(w));
  return acceptDraft(record(draftOf(w, context.now), { type: 'WorkflowPaused', data: { reason } }));
}

function resume(reason: string, w: LiveWorkflow, context: DecisionContext): No {
  if (w.paused === null) return reject('workflow-not-paused', 'the workflow is not paused', allowed(w));
  const pausedMs = msOf(context.now) - msOf(w.paused.at);
  const deadlineAt = addMs(w.deadlineAt, pausedMs);
  return settle(record(draftOf(w, context.now), { type: 'WorkflowResumed', data: { reason, deadlineAt } }), context);
}

const isEnding = (w: LiveWorkflow): boolean => w.state in profileOf(w.request.profile).terminal;

/** Possible until `change.merge` has started, the point of no return. */
function cancel(reason: string, w: LiveWorkflow, context: DecisionContext): No {
  if (w.cancelling !== null) return noop('cancellation was requested before');
  if (isEnding(w)) return reject('workflow-ended', 'the workflow is on its way to its end', allowed(w));
  if (isMerging(w)) return reject('workflow-merging', 'the change is being merged; it can no longer be cancelled', allowed(w));
  const profile = profileOf(w.request.profile);
  if (!isValidTransition(profile, { from: w.state, to: profile.cancelled }, w.request.options.strict)) {
    return reject('invalid-transition', `a strict ${profile.name} workflow cannot be cancelled in ${w.state}`, allowed(w));
  }
  const begun = record(draftOf(w, context.now), { type: 'WorkflowCancellationRequested', data: { reason } });
  return acceptDraft(advance(record(begun, ...cancelOpenSteps(begun.workflow, reason))));
}

const allowed = (w: LiveWorkflow): { readonly state: string; readonly allowedTransitions: readonly string[] } => ({
  state: w.state,
  allowedTransitions: allowedTransitions(profileOf(w.request.profile), w.state, w.request.options.strict),
});

type TransitionData = Extract<WorkflowClientCommand, { type: 'TransitionWorkflow' }>['data'];

/** People move a manual workflow; leaving a state cancels its open steps in the same commit. */
function transition(data: TransitionData, w: LiveWorkflow, context: DecisionContext): No {
  if (w.request.options.drive !== 'manual')
    return reject('workflow-drives-itself', 'this workflow moves by itself; request it with drive "manual" to move it by hand', allowed(w));
  if (w.paused !== null) return reject('workflow-paused', 'the workflow is paused', allowed(w));
  if (!isValidTransition(profileOf(w.request.profile), { from: w.state, to: data.to }, w.request.options.strict)) {
    return reject('invalid-transition', `${w.state} does not lead to ${data.to}`, allowed(w));
  }
  const cancelled = record(draftOf(w, context.now), ...cancelOpenSteps(w, `left ${w.state}`));
  const moved = record(cancelled, {
    type: 'WorkflowTransitioned',
    data: { from: w.state, to: data.to, reason: data.reason, metadata: data.metadata },
  });
  return settle(moved, context);
}

type ResolveData = Extract<WorkflowClientCommand, { type: 'ResolveEscalation' }>['data'];

function resolveEscalation(data: ResolveData, w: LiveWorkflow, context: DecisionContext): No {
  if (w.escalation?.escalationId !== data.escalationId) return reject('escalation-not-found', 'no such escalation is open', allowed(w));
  if (isLeaving(w)) return reject('workflow-cancelling', 'the workflow is on its way to its end', allowed(w));
  const resolved = record(draftOf(w, context.now), { type: 'EscalationResolved', data });
  if (data.decision === 'retry') return settle(record(resolved, ...retryFacts(w, context.now)), context);
  return acceptDraft(advance(record(resolved, ...failFacts(resolved.workflow, data.note, context.now))));
}

function admit(w: LiveWorkflow, context: DecisionContext): No {
  if (w.slot !== 'queued' || isLeaving(w)) return noop('the workflow does not wait for a slot');
  if (!context.slotFree) return { kind: 'later', detail: 'no slot is free', retryAfterMs: 1_000 };
  return acceptDraft(advance(record(draftOf(w, context.now), { type: 'WorkflowAdmitted', data: { reason: 'from-queue' } })));
}

/** A deadline that has passed fails what waited for it. */
function expire(w: LiveWorkflow, context: DecisionContext): No {
  if (w.paused !== null || isEnding(w)) return noop('nothing is due');
  if (w.escalation !== null && w.escalation.deadlineAt <= context.now) {
    const { escalationId } = w.escalation;
    return resolveEscalation({ escalationId, decision: 'fail', note: 'nobody answered the escalation in time' }, w, context);
  }
  if (w.deadlineAt > context.now || isMerging(w)) return noop('nothing is due');
  const reason = `the workflow took longer than ${String(w.request.options.timeoutMs)} ms`;
  return acceptDraft(advance(record(draftOf(w, context.now), ...failFacts(w, reason, context.now))));
}

/** The workflow aggregate: its whole public surface. */
export const workflowDecider: Decider<Workflow, WorkflowCommand, WorkflowEvent> = { initial: initialWorkflow, evolve, decide };
