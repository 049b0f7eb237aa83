import {
  STAGE_STEP_PREFIX,
  type AgentId,
  type Assignment,
  type JsonObject,
  type PlannedStep,
  type StepError,
  type StepId,
  type StepKind,
  type Timestamp,
} from '@taskmaster/contracts';
import { defaultTimeoutMs } from './plan.js';
import { DEFAULT_RETRY } from './recovery.js';

/** Where a step is. A field exists only where it means something. */
export type StepSituation =
  | { readonly status: 'pending' }
  | {
      readonly status: 'ready';
      readonly attempt: number;
      readonly readyVersion: number;
      readonly dueAt: Timestamp;
      readonly assignment?: Assignment;
    }
  | {
      readonly status: 'running';
      readonly attempt: number;
      readonly holder: string;
      readonly leaseMs: number;
      readonly startedAt: Timestamp;
      readonly deadlineAt: Timestamp;
      readonly assignment?: Assignment;
    }
  | { readonly status: 'retrying'; readonly attempt: number; readonly retryAt: Timestamp }
  | {
      readonly status: 'succeeded';
      readonly attempt: number;
      readonly settledAt: Timestamp;
      readonly output: JsonObject;
      readonly assignment?: Assignment;
    }
  | {
      readonly status: 'failed';
      readonly attempt: number;
      readonly settledAt: Timestamp;
      readonly error: StepError;
      readonly assignment?: Assignment;
    }
  | { readonly status: 'skipped'; readonly settledAt: Timestamp; readonly reason: string }
  | { readonly status: 'cancelled'; readonly attempt: number; readonly settledAt: Timestamp; readonly reason: string };

export interface Step {
  readonly spec: PlannedStep;
  readonly situation: StepSituation;
  /** Attempts lost through no fault of the work. */
  readonly lost: number;
  readonly excludedAgents: readonly AgentId[];
  readonly lastError?: StepError;
}

/** True for the platform's own steps, false for those of a plan. */
export const isStageStep = (id: StepId): boolean => id.startsWith(STAGE_STEP_PREFIX);

/** Stages' own steps are not planned: their specification follows from their kind. */
export const stageStepSpec = (id: StepId, kind: StepKind, input: JsonObject): PlannedStep => ({
  id,
  title: STAGE_TITLES[kind] ?? kind,
  kind,
  dependsOn: [],
  input,
  needs: {},
  retry: DEFAULT_RETRY,
  timeoutMs: defaultTimeoutMs(kind),
  onFailure: 'fail',
});

const STAGE_TITLES: Readonly<Partial<Record<StepKind, string>>> = {
  'requirements.parse': 'Understand the requirement',
  'requirements.decompose': 'Plan the work',
  'change.land': 'Open the pull request',
  'change.validate': 'Validate the merged result',
  'change.merge': 'Merge the change',
  'change.discard': 'Discard the change',
};

export const newStep = (spec: PlannedStep): Step => ({ spec, situation: { status: 'pending' }, lost: 0, excludedAgents: [] });

const SETTLED: readonly StepSituation['status'][] = ['succeeded', 'failed', 'skipped', 'cancelled'];
export const isSettled = (step: Step): boolean => SETTLED.includes(step.situation.status);

/** Ready, running or waiting for a retry: something is expected to answer. */
export const isOpen = (step: Step): boolean => ['ready', 'running', 'retrying'].includes(step.situation.status);

/** Whether its attempt is a child workflow that has begun: only that one's end settles it. */
export const isChildRunning = ({ spec, situation }: Step): boolean => spec.kind === 'workflow.run' && situation.status === 'running';

/** A dependency lets its dependants go when it succeeded, was skipped, or failed where its policy says to continue. */
export function isSettledAsPolicyAllows(step: Step): boolean {
  const { status } = step.situation;
  if (status === 'succeeded' || status === 'skipped') return true;
  return status === 'failed' && step.spec.onFailure === 'continue';
}

/** Whether it failed and its policy does not let the workflow go on past that. */
export const isUnforgiven = ({ situation, spec }: Step): boolean => situation.status === 'failed' && spec.onFailure !== 'continue';

/** The attempt a step is at; 0 before its first. */
export const attemptOf = (step: Step): number => ('attempt' in step.situation ? step.situation.attempt : 0);

export const assignmentOf = (step: Step): Assignment | undefined =>
  'assignment' in step.situation ? step.situation.assignment : undefined;
