import type { AgentId, EventId, StepId, Timestamp } from './ids.js';
import type { JsonObject } from './json.js';
import type { ErrorType, PlannedStep, StepKind } from './plan.js';
import type { WorkflowOutcome, WorkflowRequest } from './workflow-request.js';

/** A message: a type and its data, nothing else. Ids, positions and causes live in the envelope. */
export interface Message<Type extends string, Data> {
  readonly type: Type;
  readonly data: Data;
}

/** Why an attempt failed. `message` is for people; `type` picks the recovery strategy. */
export interface StepError {
  readonly type: ErrorType;
  readonly message: string;
  /** False forbids a retry whatever the policy says. */
  readonly retryable: boolean;
  /** When the other side said how long to wait, in milliseconds; 0 means at once. */
  readonly retryAfterMs?: number;
  /** The attempt's holder vanished or its start was ambiguous: not the work's fault, so not counted against the retry policy. */
  readonly lost?: boolean;
  /** What a later attempt or a person needs: conflict files, output tail, findings. */
  readonly detail?: JsonObject;
}

/** One line of the score sheet of an agent (design 8). */
export interface AgentScore {
  readonly agentId: AgentId;
  readonly total: number;
  /** Points by criterion: role, capability, language, specialisation, availability, load, success, cost. */
  readonly points: Readonly<Record<string, number>>;
  /** Set when the agent cannot be chosen at all; says why. */
  readonly excluded?: string;
}

/** One attempt given to one agent, with the sheet that explains why. */
export interface Assignment {
  readonly agentId: AgentId;
  readonly agentName: string;
  readonly agentType: string;
  /** True for the embedded twin; shown wherever the assignment is. */
  readonly simulated: boolean;
  readonly policy: 'auto' | 'pm_approval' | 'manual';
  readonly reason: string;
  readonly scores: readonly AgentScore[];
}

/** One thing a validation looked at. */
export interface ValidationCheck {
  readonly name: string;
  readonly passed: boolean;
  readonly durationMs: number;
  /** The end of what the command printed. */
  readonly outputTail: string;
}

/** What the interpreter understood: one actionable item of a requirement. */
export interface RequirementItem {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly type: string;
  readonly priority: string;
  readonly dependsOn: readonly string[];
}

export interface RequirementMetadata {
  /** 1–10. */
  readonly complexity: number;
  readonly technologies: readonly string[];
  readonly risks: readonly string[];
  readonly acceptanceCriteria: readonly string[];
}

/** Who understood it and what it cost. `costUsd` is absent when nobody can know it. */
export interface InterpreterUse {
  readonly provider: 'anthropic' | 'openai' | 'offline';
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly costUsd?: number;
  readonly latencyMs: number;
  readonly cached: boolean;
}

/** A question to a person that a workflow waits for. */
export interface Escalation {
  readonly escalationId: string;
  readonly reason: string;
  /** Without an answer by then the workflow fails. */
  readonly deadlineAt: Timestamp;
  /** The step that failed and is tried once more when the answer is `retry`; absent when it is about fix cycles. */
  readonly stepId?: StepId;
  /** The state that `retry` returns to, when the workflow waits in its profile's blocked state. */
  readonly returnTo?: string;
}

/** Everything that can happen to a workflow that is not about one step. */
export type WorkflowLifecycleEvent =
  | Message<'WorkflowRequested', { readonly request: WorkflowRequest; readonly deadlineAt: Timestamp }>
  | Message<'WorkflowAdmitted', { readonly reason: 'slot-free' | 'from-queue' | 'resumed' | 'with-root' }>
  | Message<'WorkflowTransitioned', { readonly from: string; readonly to: string; readonly reason: string; readonly metadata: JsonObject }>
  | Message<'WorkflowPaused', { readonly reason: string }>
  | Message<'WorkflowResumed', { readonly reason: string; readonly deadlineAt: Timestamp }>
  | Message<'WorkflowCancellationRequested', { readonly reason: string }>
  | Message<
      'WorkflowEnded',
      { readonly outcome: WorkflowOutcome; readonly reason: string; readonly result: JsonObject; readonly leftovers: readonly string[] }
    >
  | Message<
      'RequirementsParsed',
      { readonly items: readonly RequirementItem[]; readonly metadata: RequirementMetadata; readonly use: InterpreterUse }
    >
  | Message<
      'PlanAdopted',
      {
        readonly source: 'given' | 'decomposed';
        readonly steps: readonly PlannedStep[];
        readonly waves: readonly (readonly StepId[])[];
        readonly criticalPath: readonly StepId[];
        /** A long plan is adopted in parts, in one commit: which this is, from 1. Waves and critical path are then left out, for they follow from the steps. */
        readonly part?: { readonly number: number; readonly of: number };
      }
    >
  | Message<'PlanAmended', { readonly reason: string; readonly added: readonly PlannedStep[] }>
  | Message<
      'PullRequestOpened',
      {
        readonly number: number;
        readonly url: string;
        readonly title: string;
        readonly source: string;
        readonly target: string;
        readonly head: string;
      }
    >
  | Message<'PullRequestMerged', { readonly number: number; readonly commit: string; readonly target: string }>
  | Message<'PullRequestClosed', { readonly number: number; readonly reason: string }>
  | Message<
      'ValidationRecorded',
      {
        readonly cycle: number;
        readonly passed: boolean;
        readonly commit: string;
        readonly base: string;
        readonly checks: readonly ValidationCheck[];
      }
    >
  | Message<'EscalationRaised', Escalation>
  | Message<'EscalationResolved', { readonly escalationId: string; readonly decision: 'retry' | 'fail'; readonly note: string }>;

/** Everything that can happen to a step. */
export type StepEvent =
  | Message<
      'StepReadied',
      { readonly stepId: StepId; readonly attempt: number; readonly kind: StepKind; readonly input: JsonObject; readonly dueAt: Timestamp }
    >
  | Message<'StepAssigned', { readonly stepId: StepId; readonly attempt: number; readonly assignment: Assignment }>
  | Message<
      'StepStarted',
      {
        readonly stepId: StepId;
        readonly attempt: number;
        readonly holder: string;
        readonly leaseMs: number;
        readonly deadlineAt: Timestamp;
      }
    >
  | Message<'StepProgressed', { readonly stepId: StepId; readonly attempt: number; readonly message: string }>
  | Message<
      'StepSucceeded',
      { readonly stepId: StepId; readonly attempt: number; readonly by: string; readonly durationMs: number; readonly output: JsonObject }
    >
  | Message<'StepFailed', { readonly stepId: StepId; readonly attempt: number; readonly by: string; readonly error: StepError }>
  | Message<
      'StepRetryScheduled',
      {
        readonly stepId: StepId;
        readonly attempt: number;
        readonly retryAt: Timestamp;
        readonly strategy: string;
        readonly excludedAgents: readonly AgentId[];
      }
    >
  | Message<'StepSkipped', { readonly stepId: StepId; readonly reason: string }>
  | Message<'StepCancelled', { readonly stepId: StepId; readonly attempt: number; readonly reason: string }>;

export type WorkflowEvent = WorkflowLifecycleEvent | StepEvent;

/** What an agent is and can do. */
export interface AgentProfile {
  readonly name: string;
  /** claude-code, codegen, aider, goose, codex or custom. */
  readonly type: string;
  readonly driver: 'agentapi' | 'headless' | 'remote' | 'command';
  /** A URL for agentapi and remote, a command line for the others. */
  readonly endpoint: string;
  readonly simulated: boolean;
  readonly roles: readonly string[];
  /** Capability to proficiency, 0–1. */
  readonly capabilities: Readonly<Record<string, number>>;
  readonly languages: readonly string[];
  readonly specialisations: readonly string[];
  readonly maxConcurrent: number;
  /** US dollars per attempt, where known. */
  readonly costUsd?: number;
}

export type AgentEvent =
  | Message<'AgentRegistered', { readonly profile: AgentProfile }>
  | Message<'AgentRevised', { readonly profile: AgentProfile }>
  | Message<'AgentBecameAvailable', { readonly detail: string }>
  | Message<'AgentBecameUnavailable', { readonly detail: string }>;

export const ROLES = ['admin', 'developer', 'operator', 'viewer'] as const;
export type Role = (typeof ROLES)[number];

export type AccessEvent =
  | Message<'ApiKeyIssued', { readonly keyId: string; readonly name: string; readonly role: Role; readonly hash: string }>
  | Message<'ApiKeyRevoked', { readonly keyId: string; readonly reason: string }>;

export type DomainEvent = WorkflowEvent | AgentEvent | AccessEvent;
export type EventType = DomainEvent['type'];

/** Schema version of every event type that is not at 1. */
export const SCHEMA_VERSIONS: Readonly<Partial<Record<EventType, number>>> = {};
export const schemaVersionOf = (type: EventType): number => SCHEMA_VERSIONS[type] ?? 1;

/** The event types whose commit concerns some service: the relay publishes a notice for each. */
export const NOTICE_EVENT_TYPES = ['StepReadied'] as const satisfies readonly EventType[];

/** An event and when it happened: what `evolve` folds. */
export type Fact<E extends DomainEvent = DomainEvent> = E & { readonly at: Timestamp };

export type { EventId };
