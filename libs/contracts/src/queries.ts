import type { LeaseAnswer, LeaseRenewal } from './commands.js';
import type { RecordedEvent } from './envelope.js';
import type { AgentProfile, Assignment, Escalation, Role, StepError } from './events.js';
import type { AgentId, StepId, TenantId, Timestamp, WorkflowId } from './ids.js';
import type { JsonObject } from './json.js';
import type { PlannedStep, StepKind } from './plan.js';
import type {
  ParentStep,
  Priority,
  ProfileName,
  RepositoryRef,
  WorkflowOptions,
  WorkflowOutcome,
  WorkflowPhase,
  WorkflowStatus,
} from './workflow-request.js';

/** A workflow as lists and pages show it. */
export interface WorkflowSummary {
  readonly id: WorkflowId;
  readonly title: string;
  readonly profile: ProfileName;
  readonly state: string;
  readonly status: WorkflowStatus;
  readonly phase: WorkflowPhase;
  readonly priority: Priority;
  /** The seed's formula: floor(100 · (index + 1) / count). */
  readonly progressPercentage: number;
  /** Step-weighted, 0–100, never goes back. */
  readonly progress: number;
  readonly requestedAt: Timestamp;
  readonly endedAt?: Timestamp;
  readonly outcome?: WorkflowOutcome;
  readonly reason?: string;
  readonly version: number;
}

export interface StepView {
  readonly id: StepId;
  readonly title: string;
  readonly kind: StepKind;
  readonly status: StepStatus;
  /** True for a stage's own step, false for a step of the plan. */
  readonly stage: boolean;
  readonly attempt: number;
  readonly dependsOn: readonly StepId[];
  readonly assignment?: Assignment;
  /** Of a `workflow.run` step: the child workflow that its current attempt is. */
  readonly childWorkflowId?: WorkflowId;
  readonly holder?: string;
  readonly startedAt?: Timestamp;
  readonly settledAt?: Timestamp;
  readonly dueAt?: Timestamp;
  readonly retryAt?: Timestamp;
  readonly output?: JsonObject;
  readonly error?: StepError;
}

export const STEP_STATUSES = ['pending', 'ready', 'running', 'retrying', 'succeeded', 'failed', 'skipped', 'cancelled'] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

/** A workflow with its plan and steps. */
export interface WorkflowView extends WorkflowSummary {
  readonly repository?: RepositoryRef;
  readonly options: WorkflowOptions;
  readonly context: JsonObject;
  readonly requirement?: string;
  readonly steps: readonly StepView[];
  readonly waves: readonly (readonly StepId[])[];
  readonly criticalPath: readonly StepId[];
  readonly allowedTransitions: readonly string[];
  readonly pullRequest?: {
    readonly number: number;
    readonly url: string;
    readonly source: string;
    readonly target: string;
    readonly state: 'open' | 'merged' | 'closed';
    readonly commit?: string;
  };
  readonly validations: readonly { readonly cycle: number; readonly passed: boolean; readonly commit: string }[];
  /** Of a child workflow: the attempt that it is. */
  readonly parent?: ParentStep;
  readonly escalation?: Escalation;
  readonly result?: JsonObject;
}

/** What a worker needs to do a step beyond what its notice carries. */
export interface StepContext {
  readonly workflowId: WorkflowId;
  readonly title: string;
  readonly requirement?: string;
  readonly context: JsonObject;
  readonly priority: Priority;
  readonly repository?: RepositoryRef;
  readonly options: WorkflowOptions;
  readonly status: WorkflowStatus;
  readonly paused: boolean;
  readonly step: PlannedStep;
  readonly attempt: number;
  readonly excludedAgents: readonly AgentId[];
  readonly previousError?: StepError;
  readonly onCriticalPath: boolean;
  /** Outputs of the steps this one depends on. */
  readonly dependencies: readonly { readonly stepId: StepId; readonly title: string; readonly output: JsonObject }[];
  readonly pullRequest?: { readonly number: number; readonly url: string };
  readonly validatedCommit?: string;
  readonly validatedBase?: string;
}

export interface TransitionRecord {
  readonly position: number;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  readonly metadata: JsonObject;
  readonly at: Timestamp;
}

/** S3's metrics of a history, floors as in its example. */
export interface WorkflowMetrics {
  readonly total_transitions: number;
  readonly time_in_each_state_seconds: Readonly<Record<string, number>>;
  readonly total_duration_seconds: number;
  readonly average_time_per_state_seconds: number;
}

export interface AgentView {
  readonly id: AgentId;
  readonly profile: AgentProfile;
  readonly available: boolean;
  readonly detail: string;
  /** Attempts it holds now. */
  readonly running: number;
  readonly succeeded: number;
  readonly failed: number;
}

export interface ApiKeyView {
  readonly keyId: string;
  readonly tenantId: TenantId;
  readonly name: string;
  readonly role: Role;
}

/** One invariant of design 15 and what checking it found. */
export interface InvariantReport {
  readonly number: number;
  readonly name: string;
  readonly checked: number;
  readonly violations: readonly string[];
}

export interface LogReport {
  readonly head: number;
  readonly streams: number;
  readonly invariants: readonly InvariantReport[];
  readonly durationMs: number;
}

export interface PlatformCounts {
  readonly head: number;
  readonly workflows: Readonly<Record<WorkflowStatus, number>>;
  readonly openSteps: number;
  readonly epoch: number;
  readonly relayLag: number;
}

/** Query name → [question, answer]. Payload of `tm.qry.<name>`; every question names its tenant. */
export interface Queries {
  GetWorkflow: [{ readonly tenantId: TenantId; readonly workflowId: string }, WorkflowView | null];
  ListWorkflows: [
    { readonly tenantId: TenantId; readonly status?: WorkflowStatus; readonly limit: number; readonly cursor?: string },
    { readonly items: readonly WorkflowSummary[]; readonly nextCursor?: string },
  ];
  GetWorkflowHistory: [
    { readonly tenantId: TenantId; readonly workflowId: string },
    { readonly transitions: readonly TransitionRecord[]; readonly metrics: WorkflowMetrics } | null,
  ];
  /** Events of one stream or of the whole tenant, in log order. */
  ListEvents: [
    { readonly tenantId: TenantId; readonly workflowId?: string; readonly after: number; readonly limit: number },
    { readonly events: readonly RecordedEvent[]; readonly head: number },
  ];
  GetStepContext: [
    { readonly tenantId: TenantId; readonly workflowId: WorkflowId; readonly stepId: StepId; readonly attempt: number },
    StepContext | null,
  ];
  ListAgents: [{ readonly tenantId: TenantId }, { readonly items: readonly AgentView[] }];
  /** Looks a presented key up by the SHA-256 of its text. */
  FindApiKey: [{ readonly hash: string }, ApiKeyView | null];
  GetCounts: [{ readonly tenantId: TenantId }, PlatformCounts];
  VerifyLog: [{ readonly tenantId: TenantId }, LogReport];
  RenewLeases: [{ readonly renewals: readonly LeaseRenewal[] }, { readonly answers: readonly LeaseAnswer[] }];
  /** Health of one process that answers commands. */
  GetHealth: [Record<string, never>, { readonly service: string; readonly database: 'up' | 'down'; readonly detail: string }];
}
export const QUERY_TYPES = [
  'GetWorkflow',
  'ListWorkflows',
  'GetWorkflowHistory',
  'ListEvents',
  'GetStepContext',
  'ListAgents',
  'FindApiKey',
  'GetCounts',
  'VerifyLog',
  'RenewLeases',
  'GetHealth',
] as const;
export type QueryType = (typeof QUERY_TYPES)[number];
export type QueryOf<Q extends QueryType> = Queries[Q][0];
export type AnswerOf<Q extends QueryType> = Queries[Q][1];

/** Payload of a query's reply. `fault`: the world failed; ask again. */
export type QueryReply<Q extends QueryType> = { readonly answer: AnswerOf<Q> } | { readonly fault: string };
