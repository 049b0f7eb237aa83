import type {
  AgentView,
  DelegationPolicy,
  InterpreterUse,
  JsonObject,
  PlanDraft,
  Priority,
  ProfileName,
  RecordedEvent,
  RequirementItem,
  RequirementMetadata,
  TransitionRecord,
  WorkflowMetrics,
  WorkflowOptions,
  WorkflowStatus,
  WorkflowSummary,
  WorkflowView,
} from '@taskmaster/contracts';

/** What to deliver: exactly one of these. */
export type ExecuteSource =
  { readonly requirement: string } | { readonly plan: PlanDraft } | { readonly taskId: string } | { readonly name: string };

export type ExecuteRequest = ExecuteSource & {
  readonly profile?: ProfileName;
  readonly title?: string;
  readonly repository?: { readonly url: string; readonly branch?: string; readonly forge?: 'local' | 'github' };
  readonly context?: JsonObject;
  readonly delegation?: DelegationPolicy;
  readonly priority?: Priority;
  readonly options?: Partial<Omit<WorkflowOptions, 'delegation'>>;
};

export interface RequestOptions {
  /** Ends the request; the workflow it may have started goes on. */
  readonly signal?: AbortSignal;
}

export interface CommandOptions extends RequestOptions {
  /** The same key and body is the same command. Made up when absent, and kept over retries of one call. */
  readonly idempotencyKey?: string;
}

export interface ExecuteOptions extends CommandOptions {
  /** Seconds to wait for the end, at most 60. */
  readonly waitSeconds?: number;
}

export interface WorkflowLinks {
  readonly self: string;
  readonly events: string;
  readonly history: string;
  readonly pause: string;
  readonly resume: string;
}

/** Where the log keeps what was accepted: its last event. Both 0 when there was nothing to record. */
export interface AcceptedPlace {
  readonly version: number;
  readonly position: number;
}

/** `finished` is set when the workflow ended while we waited. */
export interface ExecuteAnswer {
  readonly workflowId: string;
  readonly accepted: AcceptedPlace;
  readonly links: WorkflowLinks;
  readonly finished: WorkflowView | null;
}

export interface ListRequest extends RequestOptions {
  readonly limit?: number;
  readonly cursor?: string;
  readonly status?: WorkflowStatus;
}

export interface WorkflowPage {
  readonly items: readonly WorkflowSummary[];
  readonly nextCursor?: string;
}

export interface WorkflowHistory {
  readonly transitions: readonly TransitionRecord[];
  readonly metrics: WorkflowMetrics;
}

/** An event as the live stream sends it. */
export interface LiveEvent {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly at: string;
  readonly workflowId?: string;
  readonly data: JsonObject;
}

export interface EventsRequest extends RequestOptions {
  /** Only this workflow's; the stream ends after its end. */
  readonly workflowId?: string;
  /** Starts after this position. */
  readonly after?: number;
  /** Told whenever the connection broke and is made again. */
  readonly onReconnect?: (error: unknown) => void;
}

export interface EventPage {
  readonly items: readonly RecordedEvent[];
  readonly head: number;
  readonly nextAfter?: number;
}

export interface EventPageRequest extends RequestOptions {
  readonly workflowId?: string;
  readonly after?: number;
  readonly limit?: number;
}

export interface PlatformHealth {
  readonly service: string;
  readonly status: 'up' | 'degraded' | 'down';
  readonly draining: boolean;
  readonly uptimeSeconds: number;
  readonly components: Readonly<Record<string, { readonly status: 'up' | 'down'; readonly detail: string }>>;
}

export interface ParsedRequirement {
  readonly workflowId: string;
  readonly items: readonly RequirementItem[];
  readonly metadata: RequirementMetadata;
  readonly use: InterpreterUse;
}

export interface AgentPage {
  readonly items: readonly AgentView[];
}
