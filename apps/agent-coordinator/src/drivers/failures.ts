import type { ErrorType, JsonObject, StepError } from '@taskmaster/contracts';
import type { DriverOutcome } from '../driver.js';

/** Why an attempt failed, finer than the error type; kept in the error's detail as `class`. */
export type FailureClass =
  | 'unreachable'
  | 'lost'
  | 'crash'
  | 'busy'
  | 'start_up'
  | 'rate_limited'
  | 'overloaded'
  | 'refused'
  | 'auth_required'
  | 'ambiguous_prompt'
  | 'no_reaction'
  | 'hang'
  | 'deadline'
  | 'too_long'
  | 'stopped'
  | 'max_turns'
  | 'budget'
  | 'permission_denied'
  | 'exit';

const TYPES: Readonly<Record<FailureClass, ErrorType>> = {
  unreachable: 'network',
  lost: 'network',
  crash: 'network',
  busy: 'resource',
  start_up: 'agent',
  rate_limited: 'rate_limit',
  overloaded: 'rate_limit',
  refused: 'agent',
  auth_required: 'agent',
  ambiguous_prompt: 'agent',
  no_reaction: 'agent',
  hang: 'timeout',
  deadline: 'timeout',
  too_long: 'resource',
  stopped: 'agent',
  max_turns: 'agent',
  budget: 'agent',
  permission_denied: 'agent',
  exit: 'agent',
};

interface More {
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
  readonly detail?: JsonObject;
}

/** A failed outcome of a class; the class decides the error type and with it the recovery strategy. */
export function failed(name: FailureClass, message: string, more: More = {}): DriverOutcome & { readonly kind: 'failed' } {
  const error: StepError = {
    type: TYPES[name],
    message,
    retryable: more.retryable ?? true,
    detail: { class: name, ...more.detail },
    ...(more.retryAfterMs === undefined ? {} : { retryAfterMs: more.retryAfterMs }),
  };
  return { kind: 'failed', error };
}

export type Failure = ReturnType<typeof failed>;
