import type {
  Escalation,
  JsonObject,
  RequirementItem,
  RequirementMetadata,
  StepId,
  Timestamp,
  WorkflowOutcome,
  WorkflowRequest,
} from '@taskmaster/contracts';
import type { Steps } from './steps.js';

export interface PullRequest {
  readonly number: number;
  readonly url: string;
  readonly title: string;
  readonly source: string;
  readonly target: string;
  readonly head: string;
  readonly state: 'open' | 'merged' | 'closed';
  readonly commit?: string;
}

export interface ValidationRecord {
  readonly cycle: number;
  readonly passed: boolean;
  readonly commit: string;
  readonly base: string;
  readonly failedChecks: readonly { readonly name: string; readonly outputTail: string }[];
}

/** A tenant's slot: held while the workflow runs, given back while it waits for anybody. */
export type Slot = 'none' | 'queued' | 'held';

/** A workflow that has been requested. Plain JSON: its text is its snapshot. */
export interface LiveWorkflow {
  readonly status: 'active' | 'ended';
  readonly version: number;
  readonly request: WorkflowRequest;
  readonly requestedAt: Timestamp;
  readonly deadlineAt: Timestamp;
  /** The profile's state. */
  readonly state: string;
  readonly slot: Slot;
  readonly queuedAt: Timestamp;
  readonly paused: { readonly at: Timestamp; readonly reason: string } | null;
  /** Version of the last resume; steps readied before it are readied again. */
  readonly resumedVersion: number;
  readonly cancelling: string | null;
  readonly steps: Steps;
  /** Ids of the plan's steps, in topological order; null before a plan is adopted. */
  readonly plan: {
    readonly stepIds: readonly StepId[];
    readonly waves: readonly (readonly StepId[])[];
    readonly criticalPath: readonly StepId[];
  } | null;
  readonly requirements: { readonly items: readonly RequirementItem[]; readonly metadata: RequirementMetadata } | null;
  /** From 1; a repair begins the next. */
  readonly cycle: number;
  /** Fix cycles that a person allowed beyond the limit. */
  readonly extraCycles: number;
  readonly pullRequest: PullRequest | null;
  readonly validations: readonly ValidationRecord[];
  readonly escalation: Escalation | null;
  /** Why the workflow is on its way to its failed state. */
  readonly reason: string;
  readonly progress: number;
  readonly ended: {
    readonly at: Timestamp;
    readonly outcome: WorkflowOutcome;
    readonly reason: string;
    readonly result: JsonObject;
  } | null;
}

export type Workflow = { readonly status: 'absent' } | LiveWorkflow;

export const initialWorkflow: Workflow = { status: 'absent' };
