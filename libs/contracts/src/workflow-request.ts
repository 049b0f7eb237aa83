import type { StepId, TaskId, WorkflowId } from './ids.js';
import type { JsonObject } from './json.js';
import type { PlanDraft, ValidationCommand } from './plan.js';

export const PROFILE_NAMES = ['cicd', 'squad', 'simple'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

export const PRIORITIES = ['low', 'medium', 'high', 'critical'] as const;
/** Words of the seeds; low is 1 and critical is 4 (C31). */
export type Priority = (typeof PRIORITIES)[number];

export const DELEGATION_POLICIES = ['auto', 'pm_approval', 'manual'] as const;
export type DelegationPolicy = (typeof DELEGATION_POLICIES)[number];

/** Where the change goes. */
export interface RepositoryRef {
  /** A path on this machine or a URL that git understands. */
  readonly url: string;
  /** The branch a change is merged into. */
  readonly branch: string;
  readonly forge: 'local' | 'github';
}

/** What a workflow is asked to deliver: exactly one of these. */
export type WorkflowSource =
  /** With `contentHash`, `text` is only the beginning and the whole is stored as content under that SHA-256. */
  | { readonly kind: 'requirement'; readonly text: string; readonly contentHash?: string }
  /** With `apart`, the plan is too long for the request: its draft is empty here, and what it says is adopted in the same commit. */
  | { readonly kind: 'plan'; readonly plan: PlanDraft; readonly apart?: true }
  | { readonly kind: 'task'; readonly taskId: TaskId }
  | { readonly kind: 'definition'; readonly name: string };

/** How a workflow is run. Times in milliseconds. */
export interface WorkflowOptions {
  readonly drive: 'auto' | 'manual';
  /** Only the seed's edges; no extension. */
  readonly strict: boolean;
  /** Whole workflow, from admission; DEFAULT_WORKFLOW_TIMEOUT. */
  readonly timeoutMs: number;
  readonly maxFixCycles: number;
  /** Steps of one workflow that may run at once. */
  readonly maxConcurrentSteps: number;
  readonly enableNlp: boolean;
  readonly enableAgentCoordination: boolean;
  readonly delegation: DelegationPolicy;
  /** Commands that validate the merged result; empty: those the repository declares. */
  readonly validation: readonly ValidationCommand[];
  /** How long an escalation waits for a person before the workflow fails. */
  readonly escalationTimeoutMs: number;
}

/** The attempt of a `workflow.run` step that a child workflow is. */
export interface ParentStep {
  readonly workflowId: WorkflowId;
  readonly stepId: StepId;
  readonly attempt: number;
  /** 1 for a child of a workflow that is nobody's child; at most WORKFLOW_DEPTH_MAX. */
  readonly depth: number;
}

/** A request to run a workflow, as `RequestWorkflow` carries it: every default filled in. */
export interface WorkflowRequest {
  readonly profile: ProfileName;
  readonly title: string;
  readonly source: WorkflowSource;
  readonly repository?: RepositoryRef;
  readonly context: JsonObject;
  readonly priority: Priority;
  readonly options: WorkflowOptions;
  /** Of a child workflow only; never taken from a client. */
  readonly parent?: ParentStep;
}

/** Input of `workflow.run`: what the child workflow is asked for, exactly one of `requirement` and `plan`. Anything else it takes from its parent. */
export type WorkflowRunInput = ({ readonly requirement: string } | { readonly plan: PlanDraft }) & {
  readonly title?: string;
  readonly profile?: ProfileName;
  readonly priority?: Priority;
  /** Added to the parent's, and stronger. */
  readonly context?: JsonObject;
};

export const WORKFLOW_STATUSES = ['pending', 'running', 'waiting', 'blocked', 'paused', 'completed', 'failed', 'cancelled'] as const;
export type WorkflowStatus = (typeof WORKFLOW_STATUSES)[number];

export const WORKFLOW_PHASES = ['queue', 'analyze', 'plan', 'delegate', 'implement', 'review', 'test', 'finish'] as const;
export type WorkflowPhase = (typeof WORKFLOW_PHASES)[number];

export type WorkflowOutcome = 'completed' | 'failed' | 'cancelled';
