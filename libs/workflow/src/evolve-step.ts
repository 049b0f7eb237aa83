import { assertNever, invariant, type Fact, type StepEvent, type StepId } from '@taskmaster/contracts';
import {
  assignmentOf,
  attemptOf,
  isSettledAsPolicyAllows,
  isStageStep,
  newStep,
  stageStepSpec,
  type Step,
  type StepSituation,
} from './step.js';
import { stepOf, withStep } from './steps.js';
import type { LiveWorkflow } from './state.js';

/** The lifecycle of a step: which situations an event may meet. Read here and printed in the documentation. */
export const STEP_TRANSITIONS: Readonly<Record<StepEvent['type'], readonly StepSituation['status'][]>> = {
  StepReadied: ['pending', 'ready', 'retrying'],
  StepAssigned: ['ready'],
  StepStarted: ['ready'],
  StepProgressed: ['running'],
  StepSucceeded: ['ready', 'running'],
  StepFailed: ['ready', 'running'],
  StepRetryScheduled: ['failed'],
  StepSkipped: ['pending'],
  StepCancelled: ['pending', 'ready', 'running', 'retrying'],
};

/** Folds one fact about a step. */
export function evolveStep(w: LiveWorkflow, fact: Fact<StepEvent>): LiveWorkflow {
  const step = stepFor(w, fact);
  invariant(STEP_TRANSITIONS[fact.type].includes(step.situation.status), `${fact.type} meets a step that is ${step.situation.status}`);
  return { ...w, steps: withStep(w.steps, next(w, step, fact)) };
}

/** A stage's own step comes into being when it is readied. */
function stepFor(w: LiveWorkflow, fact: Fact<StepEvent>): Step {
  const id: StepId = fact.data.stepId;
  const known = stepOf(w.steps, id);
  if (known !== undefined) return known;
  invariant(fact.type === 'StepReadied' && isStageStep(id), 'only a stage readies a step that no plan names');
  return newStep(stageStepSpec(id, fact.data.kind, fact.data.input));
}

function next(w: LiveWorkflow, step: Step, fact: Fact<StepEvent>): Step {
  const to = (situation: StepSituation): Step => ({ ...step, situation });
  switch (fact.type) {
    case 'StepReadied':
      requireDependencies(w, step);
      return to({ status: 'ready', attempt: fact.data.attempt, readyVersion: w.version + 1, dueAt: fact.data.dueAt });
    case 'StepAssigned':
      invariant(step.situation.status === 'ready', 'only a ready step is assigned');
      return to({ ...step.situation, assignment: fact.data.assignment });
    case 'StepStarted': {
      invariant(attemptOf(step) === fact.data.attempt, 'the attempt that was readied is started');
      const { attempt, holder, leaseMs, deadlineAt } = fact.data;
      return to({ status: 'running', attempt, holder, leaseMs, startedAt: fact.at, deadlineAt, ...assigned(step) });
    }
    case 'StepProgressed':
      return step;
    case 'StepSucceeded':
    case 'StepFailed':
      return settled(step, fact);
    case 'StepRetryScheduled':
      return {
        ...to({ status: 'retrying', attempt: fact.data.attempt, retryAt: fact.data.retryAt }),
        excludedAgents: fact.data.excludedAgents,
      };
    case 'StepSkipped':
      return to({ status: 'skipped', settledAt: fact.at, reason: fact.data.reason });
    case 'StepCancelled':
      return to({ status: 'cancelled', attempt: fact.data.attempt, settledAt: fact.at, reason: fact.data.reason });
    default:
      return assertNever(fact);
  }
}

const assigned = (step: Step): { readonly assignment?: NonNullable<ReturnType<typeof assignmentOf>> } => {
  const assignment = assignmentOf(step);
  return assignment === undefined ? {} : { assignment };
};

function settled(step: Step, fact: Fact<Extract<StepEvent, { type: 'StepSucceeded' | 'StepFailed' }>>): Step {
  invariant(attemptOf(step) === fact.data.attempt, 'I6: an attempt has one terminal event');
  const { attempt } = fact.data;
  if (fact.type === 'StepSucceeded') {
    return { ...step, situation: { status: 'succeeded', attempt, settledAt: fact.at, output: fact.data.output, ...assigned(step) } };
  }
  const { error } = fact.data;
  return {
    ...step,
    lost: step.lost + (error.lost === true ? 1 : 0),
    lastError: error,
    situation: { status: 'failed', attempt, settledAt: fact.at, error, ...assigned(step) },
  };
}

function requireDependencies(w: LiveWorkflow, step: Step): void {
  for (const id of step.spec.dependsOn) {
    const dependency = stepOf(w.steps, id);
    invariant(dependency !== undefined && isSettledAsPolicyAllows(dependency), 'I7: no step starts before its dependencies are settled');
  }
}
