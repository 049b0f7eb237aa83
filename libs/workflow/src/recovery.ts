import {
  addMs,
  STEP_ATTEMPTS_MAX,
  type AgentId,
  type ErrorType,
  type RetryPolicy,
  type StepError,
  type StepKind,
  type Timestamp,
} from '@taskmaster/contracts';

/** The strategies of S1 (R128–R131). */
export type RecoveryStrategy = 'exponential_backoff' | 'dependency_resolution' | 'resource_optimization' | 'agent_reassignment';

/** Three attempts, five seconds, doubled (C5). */
export const DEFAULT_RETRY: RetryPolicy = {
  maxAttempts: 3,
  initialIntervalMs: 5_000,
  multiplier: 2,
  maxIntervalMs: 60_000,
  jitter: 0.1,
  nonRetryable: ['validation'],
};

/** A child workflow tries its own steps again; as a whole it is tried once, unless its step says otherwise. */
const CHILD_RETRY: RetryPolicy = { ...DEFAULT_RETRY, maxAttempts: 1 };

export const retryPolicyOf = (draft: Partial<RetryPolicy> | undefined, kind?: StepKind): RetryPolicy => ({
  ...(kind === 'workflow.run' ? CHILD_RETRY : DEFAULT_RETRY),
  ...draft,
});

const STRATEGIES: Readonly<Record<ErrorType, RecoveryStrategy>> = {
  network: 'exponential_backoff',
  rate_limit: 'exponential_backoff',
  dependency: 'dependency_resolution',
  resource: 'resource_optimization',
  validation: 'exponential_backoff',
  agent: 'agent_reassignment',
  timeout: 'agent_reassignment',
  internal: 'exponential_backoff',
};

export const strategyOf = (type: ErrorType): RecoveryStrategy => STRATEGIES[type];

/** Everything a retry depends on. */
export interface FailedAttempt {
  readonly policy: RetryPolicy;
  readonly error: StepError;
  readonly attempt: number;
  /** Attempts that were lost through no fault of the work; not counted against the policy. */
  readonly lost: number;
  /** The agent that failed, if an agent did. */
  readonly agentId?: AgentId;
  readonly excludedAgents: readonly AgentId[];
  /** Spreads the delay, the same way every time. */
  readonly key: string;
}

export interface Retry {
  readonly strategy: RecoveryStrategy;
  readonly retryAt: Timestamp;
  readonly excludedAgents: readonly AgentId[];
}

/** Whether and when a failed attempt is tried again; undefined when the policy is exhausted or forbids it. */
export function retryOf(failed: FailedAttempt, now: Timestamp): Retry | undefined {
  const { policy, error, attempt } = failed;
  if (attempt >= STEP_ATTEMPTS_MAX) return undefined;
  const strategy = strategyOf(error.type);
  if (error.lost !== true) {
    if (!error.retryable || policy.nonRetryable.includes(error.type)) return undefined;
    if (attempt - failed.lost >= policy.maxAttempts) return undefined;
  }
  const reassign = strategy === 'agent_reassignment' && error.lost !== true && failed.agentId !== undefined;
  const excludedAgents =
    reassign && failed.agentId !== undefined ? [...new Set([...failed.excludedAgents, failed.agentId])] : failed.excludedAgents;
  return { strategy, retryAt: addMs(now, retryDelayMs(failed, strategy)), excludedAgents };
}

/** Another agent or a new base can be tried at once; everything else waits, and waits longer each time. */
function retryDelayMs(failed: FailedAttempt, strategy: RecoveryStrategy): number {
  const { policy, error } = failed;
  if (error.retryAfterMs !== undefined) return error.retryAfterMs;
  if (error.lost === true || strategy === 'agent_reassignment' || strategy === 'dependency_resolution') return 0;
  const counted = Math.max(1, failed.attempt - failed.lost);
  const grown = Math.min(policy.maxIntervalMs, policy.initialIntervalMs * policy.multiplier ** (counted - 1));
  const factor = strategy === 'resource_optimization' ? 2 : 1;
  return Math.round(grown * factor * (1 + policy.jitter * spread(`${failed.key}/${String(failed.attempt)}`)));
}

/** A fraction in [0, 1) from a text: FNV-1a, so that the same attempt always waits the same time. */
function spread(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash / 2 ** 32;
}
