import {
  assertNever,
  invariant,
  type Fact,
  type StepEvent,
  type StepId,
  type Timestamp,
  type WorkflowEvent,
  type WorkflowLifecycleEvent,
  type WorkflowRequest,
} from '@taskmaster/contracts';
import { shapeOfPlan } from './plan.js';
import { isTerminal } from './profiles/profile.js';
import { profileOf } from './profiles/index.js';
import { evolveStep } from './evolve-step.js';
import { progressOf } from './progress.js';
import type { LiveWorkflow, Workflow } from './state.js';
import { NO_STEPS, stepOf, withPlanned } from './steps.js';

/** Folds one fact. @throws InvariantViolation when the history is impossible */
export function evolve(workflow: Workflow, fact: Fact<WorkflowEvent>): Workflow {
  if (fact.type === 'WorkflowRequested') {
    invariant(workflow.status === 'absent', 'a workflow is requested once');
    return requested(fact.data, fact.at);
  }
  invariant(workflow.status !== 'absent', `${fact.type} needs a requested workflow`);
  invariant(workflow.status === 'active', 'I6: nothing but administrative events follows WorkflowEnded');
  const next = { ...(isStepFact(fact) ? evolveStep(workflow, fact) : evolveLifecycle(workflow, fact)), version: workflow.version + 1 };
  return MOVES_PROGRESS.has(fact.type) ? { ...next, progress: Math.max(workflow.progress, progressOf(next)) } : next;
}

const MOVES_PROGRESS: ReadonlySet<WorkflowEvent['type']> = new Set([
  'StepSucceeded',
  'StepFailed',
  'StepSkipped',
  'StepCancelled',
  'WorkflowTransitioned',
  'RequirementsParsed',
  'PlanAdopted',
  'PullRequestOpened',
  'ValidationRecorded',
]);

const isStepFact = (fact: Fact<WorkflowEvent>): fact is Fact<StepEvent> => fact.type.startsWith('Step');

const requested = (data: { readonly request: WorkflowRequest; readonly deadlineAt: Timestamp }, at: Timestamp): LiveWorkflow => ({
  status: 'active',
  version: 1,
  request: data.request,
  requestedAt: at,
  deadlineAt: data.deadlineAt,
  state: profileOf(data.request.profile).initial,
  slot: 'queued',
  queuedAt: at,
  paused: null,
  resumedVersion: 0,
  cancelling: null,
  steps: NO_STEPS,
  plan: null,
  requirements: null,
  cycle: 1,
  extraCycles: 0,
  pullRequest: null,
  validations: [],
  escalation: null,
  reason: '',
  progress: 0,
  ended: null,
});

type LifecycleFact = Fact<Exclude<WorkflowLifecycleEvent, { type: 'WorkflowRequested' }>>;

function evolveLifecycle(w: LiveWorkflow, fact: LifecycleFact): LiveWorkflow {
  switch (fact.type) {
    case 'WorkflowAdmitted':
      invariant(w.slot !== 'held', 'a workflow takes one slot');
      return { ...w, slot: 'held' };
    case 'WorkflowTransitioned':
      invariant(w.state === fact.data.from, 'a transition leaves the state the workflow is in');
      return { ...w, state: fact.data.to, reason: fact.data.reason };
    case 'WorkflowPaused':
      return { ...w, slot: 'none', paused: { at: fact.at, reason: fact.data.reason } };
    case 'WorkflowResumed':
      invariant(w.paused !== null, 'only a paused workflow is resumed');
      return {
        ...w,
        // Whoever waits for a person needs no slot for that.
        slot: w.escalation === null ? 'queued' : 'none',
        queuedAt: fact.at,
        paused: null,
        resumedVersion: w.version + 1,
        deadlineAt: fact.data.deadlineAt,
      };
    case 'WorkflowCancellationRequested':
      return { ...w, cancelling: fact.data.reason };
    case 'WorkflowEnded':
      invariant(isTerminal(profileOf(w.request.profile), w.state), 'a workflow ends in a terminal state');
      return {
        ...w,
        status: 'ended',
        slot: 'none',
        ended: { at: fact.at, outcome: fact.data.outcome, reason: fact.data.reason, result: fact.data.result },
      };
    case 'RequirementsParsed':
      return { ...w, requirements: { items: fact.data.items, metadata: fact.data.metadata } };
    case 'PlanAdopted':
    case 'PlanAmended':
      return evolvePlan(w, fact);
    case 'PullRequestOpened':
    case 'PullRequestMerged':
    case 'PullRequestClosed':
    case 'ValidationRecorded':
      return evolveChange(w, fact);
    case 'EscalationRaised':
      return { ...w, slot: 'none', escalation: fact.data };
    case 'EscalationResolved':
      // Whoever is paused asks for a slot when it is resumed.
      return {
        ...w,
        slot: w.paused === null ? 'queued' : 'none',
        queuedAt: fact.at,
        escalation: null,
        ...allowedBy(w, fact.data.decision),
      };
    default:
      return assertNever(fact);
  }
}

/** Of a step, what was ready meanwhile is readied again; of fix cycles, there may be one more. */
const allowedBy = (w: LiveWorkflow, decision: 'retry' | 'fail'): Pick<LiveWorkflow, 'resumedVersion' | 'extraCycles'> => {
  const { resumedVersion, extraCycles, escalation } = w;
  if (escalation?.stepId !== undefined) return { resumedVersion: w.version + 1, extraCycles };
  return { resumedVersion, extraCycles: extraCycles + (decision === 'retry' ? 1 : 0) };
};

function evolvePlan(w: LiveWorkflow, fact: Fact<Extract<WorkflowEvent, { type: 'PlanAdopted' | 'PlanAmended' }>>): LiveWorkflow {
  const added = fact.type === 'PlanAdopted' ? fact.data.steps : fact.data.added;
  for (const { id } of added) invariant(stepOf(w.steps, id) === undefined, 'a plan names each step once');
  const steps = withPlanned(w.steps, added);
  const ids = added.map((spec) => spec.id);
  if (fact.type === 'PlanAdopted') {
    return { ...w, steps, plan: adoptedPlan({ ...w, steps }, ids, fact.data) };
  }
  invariant(w.plan !== null, 'only an adopted plan is amended');
  return { ...w, steps, cycle: w.cycle + 1, plan: { ...w.plan, stepIds: [...w.plan.stepIds, ...ids], waves: [...w.plan.waves, ids] } };
}

/** A plan in parts is whole with the last of them: what follows from all its steps is known then. */
function adoptedPlan(
  w: LiveWorkflow,
  ids: readonly StepId[],
  { part, waves, criticalPath }: Extract<WorkflowEvent, { type: 'PlanAdopted' }>['data'],
): NonNullable<LiveWorkflow['plan']> {
  invariant(w.plan === null || (part?.number ?? 1) > 1, 'a plan is adopted once');
  const stepIds = [...(w.plan?.stepIds ?? []), ...ids];
  if (part === undefined) return { stepIds, waves, criticalPath };
  if (part.number < part.of) return { stepIds, waves: [], criticalPath: [] };
  const specs = stepIds.flatMap((id) => stepOf(w.steps, id)?.spec ?? []);
  return { stepIds, ...shapeOfPlan(specs) };
}

type ChangeFact = Fact<
  Extract<WorkflowEvent, { type: 'PullRequestOpened' | 'PullRequestMerged' | 'PullRequestClosed' | 'ValidationRecorded' }>
>;

function evolveChange(w: LiveWorkflow, fact: ChangeFact): LiveWorkflow {
  switch (fact.type) {
    case 'PullRequestOpened':
      return { ...w, pullRequest: { ...fact.data, state: 'open' } };
    case 'PullRequestMerged':
      invariant(w.pullRequest !== null, 'a pull request is opened before it is merged');
      invariant(
        w.validations.some((v) => v.passed && v.commit === fact.data.commit),
        'I12: a merged change was validated as merged',
      );
      return { ...w, pullRequest: { ...w.pullRequest, state: 'merged', commit: fact.data.commit } };
    case 'PullRequestClosed':
      return w.pullRequest === null ? w : { ...w, pullRequest: { ...w.pullRequest, state: 'closed' } };
    case 'ValidationRecorded': {
      const { cycle, passed, commit, base, checks } = fact.data;
      const failedChecks = checks.filter((check) => !check.passed).map(({ name, outputTail }) => ({ name, outputTail }));
      return { ...w, validations: [...w.validations, { cycle, passed, commit, base, failedChecks }] };
    }
    default:
      return assertNever(fact);
  }
}
