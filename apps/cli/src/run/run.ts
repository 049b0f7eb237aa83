import type { LiveEvent } from '@taskmaster/client';
import type { Assignment, DomainEvent, PlannedStep, StepError, ValidationCheck, WorkflowOutcome } from '@taskmaster/contracts';

export type StepMark = 'waiting' | 'ready' | 'running' | 'retrying' | 'succeeded' | 'failed' | 'skipped' | 'cancelled';

/** A step as a viewer knows it. */
export interface RunStep {
  readonly id: string;
  readonly title: string;
  readonly kind: string;
  readonly dependsOn: readonly string[];
  /** Of the plan, or the platform's own. */
  readonly planned: boolean;
  readonly mark: StepMark;
  readonly attempt: number;
  readonly startedAt?: number;
  readonly settledAt?: number;
  readonly assignment?: Assignment;
  readonly note?: string;
}

export interface RunPullRequest {
  readonly number: number;
  readonly url: string;
  readonly title: string;
  readonly source: string;
  readonly target: string;
  readonly state: 'open' | 'merged' | 'closed';
  readonly commit?: string;
}

export interface RunValidation {
  readonly cycle: number;
  readonly passed: boolean;
  readonly commit: string;
  readonly checks: readonly ValidationCheck[];
}

/** A workflow as it is watched: nothing but a fold of its events. */
export interface Run {
  readonly workflowId: string;
  readonly title: string;
  readonly profile: string;
  readonly state: string;
  /** States entered so far, in order. */
  readonly visited: readonly string[];
  readonly steps: ReadonlyMap<string, RunStep>;
  readonly interpreter?: { readonly provider: string; readonly model: string };
  readonly pullRequest?: RunPullRequest;
  readonly validations: readonly RunValidation[];
  readonly paused: boolean;
  /** Why it waits for a person. */
  readonly escalation?: string;
  readonly ended?: { readonly outcome: WorkflowOutcome; readonly reason: string; readonly leftovers: readonly string[] };
  readonly events: number;
  readonly startedAt?: number;
  readonly lastAt?: number;
}

export const emptyRun = (workflowId: string): Run => ({
  workflowId,
  title: '',
  profile: 'simple',
  state: 'pending',
  visited: ['pending'],
  steps: new Map(),
  validations: [],
  paused: false,
  events: 0,
});

/** The event with its type known; a type this version does not know falls through every case. */
type Known = DomainEvent & { readonly at: number };

/** Folds one event. Types it does not know change only the count: a platform may be newer than its viewer. */
export function watch(run: Run, event: LiveEvent): Run {
  const at = Date.parse(event.at);
  const next = { ...run, events: run.events + 1, startedAt: run.startedAt ?? at, lastAt: at };
  const known = { type: event.type, data: event.data, at } as unknown as Known;
  return known.type.startsWith('Step') ? watchStep(next, known) : watchLifecycle(next, known);
}

function watchLifecycle(run: Run, event: Known): Run {
  switch (event.type) {
    case 'WorkflowRequested':
      return { ...run, title: event.data.request.title, profile: event.data.request.profile };
    case 'WorkflowTransitioned':
      return { ...run, state: event.data.to, visited: [...run.visited, event.data.to] };
    case 'RequirementsParsed':
      return { ...run, interpreter: { provider: event.data.use.provider, model: event.data.use.model } };
    case 'PlanAdopted':
      return { ...run, steps: withPlan(run.steps, event.data.steps) };
    case 'PlanAmended':
      return { ...run, steps: withPlan(run.steps, event.data.added) };
    case 'WorkflowPaused':
      return { ...run, paused: true };
    case 'WorkflowResumed':
      return { ...run, paused: false };
    case 'WorkflowEnded':
      return { ...run, ended: { outcome: event.data.outcome, reason: event.data.reason, leftovers: event.data.leftovers } };
    default:
      return watchChange(run, event);
  }
}

function watchChange(run: Run, event: Known): Run {
  switch (event.type) {
    case 'PullRequestOpened':
      return { ...run, pullRequest: { ...event.data, state: 'open' } };
    case 'PullRequestMerged':
      return run.pullRequest === undefined
        ? run
        : { ...run, pullRequest: { ...run.pullRequest, state: 'merged', commit: event.data.commit } };
    case 'PullRequestClosed':
      return run.pullRequest === undefined ? run : { ...run, pullRequest: { ...run.pullRequest, state: 'closed' } };
    case 'ValidationRecorded':
      return { ...run, validations: [...run.validations, event.data] };
    case 'EscalationRaised':
      return { ...run, escalation: event.data.reason };
    // Whoever is on the way to the end is not to be answered any more.
    case 'WorkflowCancellationRequested':
    case 'EscalationResolved': {
      const { escalation: _resolved, ...rest } = run;
      return rest;
    }
    default:
      return run;
  }
}

const planned = (step: PlannedStep): RunStep => ({
  id: step.id,
  title: step.title,
  kind: step.kind,
  dependsOn: step.dependsOn,
  planned: true,
  mark: 'waiting',
  attempt: 0,
});

function withPlan(steps: ReadonlyMap<string, RunStep>, added: readonly PlannedStep[]): ReadonlyMap<string, RunStep> {
  return new Map([...steps, ...added.map((step) => [step.id as string, planned(step)] as const)]);
}

const NAMES: Readonly<Record<string, string>> = {
  'requirements.parse': 'Understand the requirement',
  'requirements.decompose': 'Make a plan',
  'requirements.check': 'Check that it is done',
  'agent.review': 'Review the change',
  'change.land': 'Open the pull request',
  'change.validate': 'Validate the merged result',
  'change.merge': 'Merge',
  'change.discard': 'Clean up',
};

/** What changes about a step; the rest of it stays. */
function watchStep(run: Run, event: Known): Run {
  const changes = stepChanges(event);
  const { stepId } = event.data as { readonly stepId?: string };
  if (changes === undefined || stepId === undefined) return run;
  const before = run.steps.get(stepId) ?? {
    id: stepId,
    title: titleOf(event, stepId),
    kind: kindOf(event),
    dependsOn: [],
    planned: false,
    mark: 'waiting' as const,
    attempt: 0,
  };
  return { ...run, steps: new Map(run.steps).set(stepId, { ...before, ...changes, ...childNote(before, event) }) };
}

/** Which workflow a step is, so that a person can look there. */
const childNote = ({ kind }: RunStep, event: Known): Partial<RunStep> =>
  kind === 'workflow.run' && event.type === 'StepStarted' ? { note: `as workflow ${event.data.holder}` } : {};

const kindOf = (event: Known): string => (event.type === 'StepReadied' ? event.data.kind : '');
const titleOf = (event: Known, stepId: string): string => NAMES[kindOf(event)] ?? stepId;

function stepChanges(event: Known): Partial<RunStep> | undefined {
  switch (event.type) {
    case 'StepReadied':
      return { mark: 'ready', attempt: event.data.attempt, startedAt: event.at, note: '' };
    case 'StepAssigned':
      return { assignment: event.data.assignment };
    case 'StepStarted':
      return { mark: 'running', startedAt: event.at };
    case 'StepProgressed':
      return { note: event.data.message };
    case 'StepSucceeded':
      return { mark: 'succeeded', settledAt: event.at, note: '' };
    case 'StepFailed':
      return { mark: 'failed', settledAt: event.at, note: errorWords(event.data.error) };
    case 'StepRetryScheduled':
      return { mark: 'retrying', note: `tries again (${event.data.strategy})` };
    case 'StepSkipped':
      return { mark: 'skipped', settledAt: event.at, note: event.data.reason };
    case 'StepCancelled':
      return { mark: 'cancelled', settledAt: event.at, note: event.data.reason };
    default:
      return undefined;
  }
}

const errorWords = (error: StepError): string => `${error.type}: ${error.message}`;
