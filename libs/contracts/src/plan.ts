import type { StepId } from './ids.js';
import type { JsonObject } from './json.js';

/** What a step is; decides which service does it (design 4.3). */
export const STEP_KINDS = [
  'requirements.parse',
  'requirements.decompose',
  'requirements.instruct',
  'requirements.check',
  'agent.run',
  'agent.review',
  'command.run',
  'change.land',
  'change.validate',
  'change.merge',
  'change.discard',
  'human.approve',
  'human.input',
  'external.call',
  'workflow.run',
  'wait.timer',
  'wait.signal',
] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** The groups that share a notice subject and a consumer. What state-service does itself needs no notice (0030): on `state` there are markers only. */
export const KIND_GROUPS = ['requirements', 'agent', 'command', 'change', 'state'] as const;
export type KindGroup = (typeof KIND_GROUPS)[number];

export const ERROR_TYPES = ['network', 'rate_limit', 'dependency', 'resource', 'validation', 'agent', 'timeout', 'internal'] as const;
/** The error types of S1, and `timeout` and `internal`; the type picks the recovery strategy (design 4.5). */
export type ErrorType = (typeof ERROR_TYPES)[number];

/**
 * What follows when a step's retry policy is exhausted. `fail`: the workflow fails · `continue`: its dependants go on · `escalate`: a person
 * is asked at once, and what runs may end · `block`: what does not depend on it goes on, then a person is asked.
 */
export type OnFailure = 'fail' | 'continue' | 'block' | 'escalate';

/** When and how often a failed attempt is tried again. `multiplier` 1 is a fixed delay. Times in milliseconds. */
export interface RetryPolicy {
  readonly maxAttempts: number;
  readonly initialIntervalMs: number;
  readonly multiplier: number;
  readonly maxIntervalMs: number;
  /** 0–1: the share of the delay that is spread, deterministically, by step and attempt. */
  readonly jitter: number;
  readonly nonRetryable: readonly ErrorType[];
}

/** What an agent must bring for a step. */
export interface AgentNeeds {
  readonly role?: string;
  readonly capabilities?: readonly string[];
  readonly languages?: readonly string[];
  readonly specialisations?: readonly string[];
  /** Only this agent. */
  readonly agentId?: string;
  /** Only agents of this type: claude-code, codegen, aider, goose, codex, custom. */
  readonly agentType?: string;
}

/** A step as a client, a definition or the decomposition proposes it. */
export interface StepDraft {
  readonly id: string;
  readonly title?: string;
  readonly kind: StepKind;
  readonly dependsOn?: readonly string[];
  readonly input?: JsonObject;
  readonly needs?: AgentNeeds;
  readonly retry?: Partial<RetryPolicy>;
  /** Start-to-close limit of one attempt. */
  readonly timeoutMs?: number;
  readonly onFailure?: OnFailure;
}

export interface PlanDraft {
  readonly steps: readonly StepDraft[];
}

/** A step of a parsed plan: every default filled in. */
export interface PlannedStep {
  readonly id: StepId;
  readonly title: string;
  readonly kind: StepKind;
  readonly dependsOn: readonly StepId[];
  readonly input: JsonObject;
  readonly needs: AgentNeeds;
  readonly retry: RetryPolicy;
  readonly timeoutMs: number;
  readonly onFailure: OnFailure;
}

/** Input of `command.run`. The built-in `noop` does nothing and succeeds; anything else is run in a workspace, without a shell. */
export type CommandRunInput =
  { readonly builtin: 'noop' } | { readonly command: readonly string[]; readonly env?: Readonly<Record<string, string>> };

/** A command that proves something about a checkout: its exit decides. */
export interface ValidationCommand {
  readonly name: string;
  readonly command: readonly string[];
  readonly timeoutMs?: number;
}
