import type { StepContext, StepId, StepView, WorkflowId, WorkflowView } from '@taskmaster/contracts';
import { allowedTransitions } from './profiles/profile.js';
import { profileOf } from './profiles/index.js';
import { statusOf, workflowRow } from './rows.js';
import { assignmentOf, attemptOf, isStageStep, type Step } from './step.js';
import type { LiveWorkflow, Workflow } from './workflow.js';

/** A workflow as a person sees it; undefined when there is none. */
export function viewOfWorkflow(id: WorkflowId, workflow: Workflow): WorkflowView | undefined {
  const row = workflowRow(workflow);
  if (workflow.status === 'absent' || row === undefined) return undefined;
  const w = workflow;
  const { request } = w;
  return {
    id, title: row.title, profile: row.profile, state: row.state, status: row.status, phase: row.phase, priority: row.priority,
    progressPercentage: row.progressPercentage, progress: row.progress, requestedAt: row.requestedAt, version: row.version,
    ...(w.ended === null ? {} : { endedAt: w.ended.at, outcome: w.ended.outcome, reason: w.ended.reason, result: w.ended.result }),
    ...(request.repository === undefined ? {} : { repository: request.repository }),
    options: request.options, context: request.context,
    ...(request.source.kind === 'requirement' ? { requirement: request.source.text } : {}),
    steps: Object.values(w.steps).map(stepView), waves: w.plan?.waves ?? [], criticalPath: w.plan?.criticalPath ?? [],
    allowedTransitions: w.ended === null ? allowedTransitions(profileOf(request.profile), w.state, request.options.strict) : [],
    ...(w.pullRequest === null ? {} : { pullRequest: w.pullRequest }),
    validations: w.validations.map(({ cycle, passed, commit }) => ({ cycle, passed, commit })),
    ...(w.escalation === null ? {} : { escalation: w.escalation }),
  };
}

function stepView(step: Step): StepView {
  const { spec, situation } = step;
  const assignment = assignmentOf(step);
  return {
    id: spec.id, title: spec.title, kind: spec.kind, status: situation.status, stage: isStageStep(spec.id), attempt: attemptOf(step), dependsOn: spec.dependsOn,
    ...(assignment === undefined ? {} : { assignment }),
    ...situationView(step),
  };
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
export function stepContextOf(id: WorkflowId, workflow: Workflow, at: { readonly stepId: StepId; readonly attempt: number }): StepContext | undefined {
  if (workflow.status === 'absent') return undefined;
  const w = workflow;
  const step = w.steps[at.stepId];
  if (step === undefined || attemptOf(step) !== at.attempt) return undefined;
  const { request } = w;
  const validation = w.validations.at(-1);
  return {
    workflowId: id, title: request.title, context: request.context, priority: request.priority, options: request.options,
    ...(request.source.kind === 'requirement' ? { requirement: request.source.text } : {}),
    ...(request.repository === undefined ? {} : { repository: request.repository }),
    status: statusOf(w), paused: w.paused !== null, step: step.spec, attempt: at.attempt, excludedAgents: step.excludedAgents,
    ...(step.lastError === undefined ? {} : { previousError: step.lastError }),
    onCriticalPath: w.plan?.criticalPath.includes(at.stepId) ?? false,
    dependencies: dependenciesOf(w, step),
    ...(w.pullRequest === null ? {} : { pullRequest: { number: w.pullRequest.number, url: w.pullRequest.url } }),
    ...(validation === undefined ? {} : { validatedCommit: validation.commit, validatedBase: validation.base }),
  };
}

function dependenciesOf(w: LiveWorkflow, step: Step): StepContext['dependencies'] {
  return step.spec.dependsOn.flatMap((stepId) => {
    const dependency = w.steps[stepId];
    return dependency?.situation.status === 'succeeded' ? [{ stepId, title: dependency.spec.title, output: dependency.situation.output }] : [];
  });
}
