import type { Command, DomainEvent, Fact, JsonObject, RejectionCode, StreamId, TenantId, Timestamp } from '@taskmaster/contracts';

/** Everything the rules may know besides the folded state: they have no clock, no randomness and no I/O. */
export interface DecisionContext {
  readonly now: Timestamp;
  readonly stream: StreamId;
  readonly tenantId: TenantId;
  /** Whether the tenant is believed to have a free slot; the append function has the last word. */
  readonly slotFree: boolean;
  /** False when the append function found the agent at its limit. */
  readonly agentFree?: boolean;
}

/** What the rules say of a command. An expected "no" is a value with a code. */
export type Decision<E extends DomainEvent> =
  | {
      readonly kind: 'accepted';
      readonly events: readonly E[];
      /** What the state is when the events are folded, for whoever folded them to decide. */
      readonly after?: unknown;
    }
  | { readonly kind: 'rejected'; readonly code: RejectionCode; readonly detail: string; readonly data?: JsonObject }
  | { readonly kind: 'noop'; readonly detail: string }
  | { readonly kind: 'later'; readonly detail: string; readonly retryAfterMs: number }
  | { readonly kind: 'held'; readonly holder: string }
  | { readonly kind: 'duplicate' };

/** Two functions and a beginning: the whole of an aggregate. States are plain JSON, so a snapshot is their text. */
export interface Decider<State, C extends Command, E extends DomainEvent> {
  readonly initial: State;
  decide(command: C, state: State, context: DecisionContext): Decision<E>;
  /** Cannot fail on a valid history. @throws InvariantViolation on a broken one */
  evolve(state: State, fact: Fact<E>): State;
}

export const accept = <E extends DomainEvent>(...events: readonly E[]): Decision<E> => ({ kind: 'accepted', events });
export const reject = (code: RejectionCode, detail: string, data?: JsonObject): Decision<never> =>
  data === undefined ? { kind: 'rejected', code, detail } : { kind: 'rejected', code, detail, data };
export const noop = (detail: string): Decision<never> => ({ kind: 'noop', detail });
