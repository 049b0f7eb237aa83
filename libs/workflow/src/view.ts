import type { StepContext, StepId, StepView, WorkflowId, WorkflowView } from '@taskmaster/contracts';
import { allowedTransitions } from './profiles/profile.js';
import { profileOf } from './profiles/index.js';
import { statusOf, workflowRow } from './rows.js';
import { isLeaving } from './standing-still.js';
import { assignmentOf, attemptOf, isStageStep, type Step } from './step.js';
import type { LiveWorkflow, Workflow } from './state.js';
import { allSteps, stepOf } from './steps.js';

/** A workflow as a person sees it; undefined when there is none. */
export function viewOfWorkflow(id: WorkflowId, workflow: Workflow): WorkflowView | undefined {
  const row = workflowRow(workflow);
  if (workflow.status === 'absent' || row === undefined) return undefined;
  const w = workflow;
  return {
    id,
    title: row.title,
    profile: row.profile,
    state: row.state,
    status: row.status,
    phase: row.phase,
    priority: row.priority,
    progressPercentage: row.progressPercentage,
    progress: row.progress,
    requestedAt: row.requestedAt,
    version: row.version,
    steps: allSteps(w.steps).map(stepView),
    waves: w.plan?.waves ?? [],
    criticalPath: w.plan?.criticalPath ?? [],
    ...askedFor(w),
    ...(w.request.parent === undefined ? {} : { parent: w.request.parent }),
    ...endingOf(w),
    ...changeOf(w),
  };
}

type Asked = Pick<WorkflowView, 'options' | 'context' | 'requirement' | 'repository'>;

function askedFor({ request }: LiveWorkflow): Asked {
  return {
    options: request.options,
    context: request.context,
    ...(request.repository === undefined ? {} : { repository: request.repository }),
    ...(request.source.kind === 'requirement' ? { requirement: request.source.text } : {}),
  };
}

type Ending = Pick<WorkflowView, 'endedAt' | 'outcome' | 'reason' | 'result' | 'allowedTransitions'>;

function endingOf(w: LiveWorkflow): Ending {
  if (w.ended === null) return { allowedTransitions: allowedTransitions(profileOf(w.request.profile), w.state, w.request.options.strict) };
  return { endedAt: w.ended.at, outcome: w.ended.outcome, reason: w.ended.reason, result: w.ended.result, allowedTransitions: [] };
}

type Change = Pick<WorkflowView, 'pullRequest' | 'validations' | 'escalation'>;

function changeOf(w: LiveWorkflow): Change {
  return {
    validations: w.validations.map(({ cycle, passed, commit }) => ({ cycle, passed, commit })),
    ...(w.pullRequest === null ? {} : { pullRequest: w.pullRequest }),
    // Whoever is on the way to the end is not to be answered any more.
    ...(w.escalation === null || isLeaving(w) ? {} : { escalation: w.escalation }),
  };
}

function stepView(step: Step): StepView {
  const { spec, situation } = step;
  const assignment = assignmentOf(step);
  return {
    id: spec.id,
    title: spec.title,
    kind: spec.kind,
    status: situation.status,
    stage: isStageStep(spec.id),
    attempt: attemptOf(step),
    dependsOn: spec.dependsOn,
    ...(assignment === undefined ? {} : { assignment }),
    ...childOf(step),
    ...situationView(step),
  };
}

/** The child workflow that holds the current attempt, or settled it. */
function childOf({ spec, situation }: Step): Pick<StepView, 'childWorkflowId'> {
  if (spec.kind !== 'workflow.run') return {};
  const childWorkflowId = childIdIn(situation);
  return typeof childWorkflowId === 'string' ? { childWorkflowId: childWorkflowId as WorkflowId } : {};
}

function childIdIn(situation: Step['situation']): unknown {
  switch (situation.status) {
    case 'running':
      return situation.holder;
    case 'succeeded':
      return situation.output['workflowId'];
    case 'failed':
      return situation.error.detail?.['workflowId'];
    default:
      return undefined;
  }
}

function situationView({ situation, lastError }: Step): Partial<StepView> {
  const error = lastError === undefined ? {} : { error: lastError };
  switch (situation.status) {
    case 'ready':
      return { dueAt: situation.dueAt, ...error };
    case 'running':
      return { holder: situation.holder, startedAt: situation.startedAt, dueAt: situation.deadlineAt, ...error };
    case 'retrying':
      return { retryAt: situation.retryAt, ...error };
    case 'succeeded':
      return { settledAt: situation.settledAt, output: situation.output };
    case 'failed':
      return { settledAt: situation.settledAt, ...error };
    case 'skipped':
    case 'cancelled':
      return { settledAt: situation.settledAt };
    default:
      return {};
  }
}

/** What a worker needs to do an attempt; undefined when the step does not exist or the attempt is not the current one. */
export function stepContextOf(
  id: WorkflowId,
  workflow: Workflow,
  at: { readonly stepId: StepId; readonly attempt: number },
): StepContext | undefined {
  if (workflow.status === 'absent') return undefined;
  const w = workflow;
  const step = stepOf(w.steps, at.stepId);
  if (step === undefined || attemptOf(step) !== at.attempt) return undefined;
  return {
    workflowId: id,
    title: w.request.title,
    priority: w.request.priority,
    ...askedFor(w),
    ...validatedSoFar(w),
    status: statusOf(w),
    paused: w.paused !== null,
    step: step.spec,
    attempt: at.attempt,
    excludedAgents: step.excludedAgents,
    ...(step.lastError === undefined ? {} : { previousError: step.lastError }),
    onCriticalPath: w.plan?.criticalPath.includes(at.stepId) ?? false,
    dependencies: dependenciesOf(w, step),
  };
}

type Validated = Pick<StepContext, 'pullRequest' | 'validatedCommit' | 'validatedBase'>;

function validatedSoFar(w: LiveWorkflow): Validated {
  const validation = w.validations.at(-1);
  return {
    ...(w.pullRequest === null ? {} : { pullRequest: { number: w.pullRequest.number, url: w.pullRequest.url } }),
    ...(validation === undefined ? {} : { validatedCommit: validation.commit, validatedBase: validation.base }),
  };
}

function dependenciesOf(w: LiveWorkflow, step: Step): StepContext['dependencies'] {
  return step.spec.dependsOn.flatMap((stepId) => {
    const dependency = stepOf(w.steps, stepId);
    return dependency?.situation.status === 'succeeded'
      ? [{ stepId, title: dependency.spec.title, output: dependency.situation.output }]
      : [];
  });
}
