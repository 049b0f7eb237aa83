import { deepStrictEqual, fail, strictEqual } from 'node:assert/strict';

interface Named {
  readonly type: string;
}

/** What a pure decider must offer to be specified; `at` is the time at which it is asked. */
export interface SpecifiedDecider<State, Command, Fact extends Named, Event extends Named> {
  initial(): State;
  evolve(state: State, fact: Fact): State;
  decide(command: Command, state: State, at: string): SpecifiedDecision<Event>;
}

export type SpecifiedDecision<Event> =
  | { readonly kind: 'accepted'; readonly events: readonly Event[] }
  | { readonly kind: 'rejected'; readonly code: string }
  | { readonly kind: 'noop' | 'later' };

export interface Outcome<Event> {
  /** Expects exactly these events, in this order. */
  then(...events: readonly Event[]): void;
  /** Expects events of exactly these types, in this order. */
  thenTypes(...types: readonly string[]): void;
  thenRejected(code: string): void;
  /** Expects that nothing is to be done, because it is so already or no longer matters. */
  thenNothing(): void;
  thenLater(): void;
  readonly decision: SpecifiedDecision<Event>;
}

export interface Given<Command, Event> {
  when(command: Command, at?: string): Outcome<Event>;
}

const SOME_TIME = '2026-01-01T00:00:00.000Z';

/** Makes the `given` of a decider: `given(...facts).when(command).then(...events)`. */
export function specificationOf<State, Command, Fact extends Named, Event extends Named>(
  decider: SpecifiedDecider<State, Command, Fact, Event>,
): (...facts: readonly Fact[]) => Given<Command, Event> {
  return (...facts) => ({
    when: (command, at = SOME_TIME) => {
      const state = facts.reduce((folded, fact) => decider.evolve(folded, fact), decider.initial());
      return outcomeOf(decider.decide(command, state, at));
    },
  });
}

function outcomeOf<Event extends Named>(decision: SpecifiedDecision<Event>): Outcome<Event> {
  const events = (): readonly Event[] => {
    if (decision.kind !== 'accepted') fail(`expected events, got ${describe(decision)}`);
    return decision.events;
  };
  return {
    decision,
    then: (...expected) => {
      deepStrictEqual(events(), expected);
    },
    thenTypes: (...types) => {
      deepStrictEqual(
        events().map((event) => event.type),
        types,
      );
    },
    thenRejected: (code) => {
      if (decision.kind !== 'rejected') fail(`expected the rejection ${code}, got ${describe(decision)}`);
      strictEqual(decision.code, code);
    },
    thenNothing: () => {
      if (decision.kind !== 'noop') fail(`expected nothing, got ${describe(decision)}`);
    },
    thenLater: () => {
      if (decision.kind !== 'later') fail(`expected later, got ${describe(decision)}`);
    },
  };
}

function describe<Event extends Named>(decision: SpecifiedDecision<Event>): string {
  if (decision.kind === 'accepted') return `events ${decision.events.map((event) => event.type).join(', ')}`;
  return decision.kind === 'rejected' ? `the rejection ${decision.code}` : decision.kind;
}
