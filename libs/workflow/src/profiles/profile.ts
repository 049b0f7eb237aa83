import type { ProfileName, WorkflowOutcome, WorkflowPhase } from '@taskmaster/contracts';

/** What the platform does while a workflow is in a state (design 4.2). */
export type StageName =
  'admit' | 'analyze' | 'plan' | 'resolve' | 'delegate' | 'execute' | 'land' | 'review' | 'validate' | 'merge' | 'repair';

/** What follows when a stage fails. `repair` adds a fix step to the plan and goes on in `to`; the default is to fail the workflow. */
export type StageFailure = { readonly kind: 'go'; readonly to: string } | { readonly kind: 'repair'; readonly to: string };

export interface ProfileState {
  readonly name: string;
  readonly phase: WorkflowPhase;
  readonly stages: readonly StageName[];
  /** Where the state leads when all its stages are done; absent for terminal states and those that people leave. */
  readonly next?: string;
  readonly onFailure?: Readonly<Partial<Record<StageName, StageFailure>>>;
}

/** An edge. `extension` marks those that the seed lacks; strict workflows may not use them. */
export interface Transition {
  readonly from: string;
  readonly to: string;
  readonly extension: boolean;
}

/** A lifecycle as data: a table read by the rules, the progress formulas and the documentation. */
export interface Profile {
  readonly name: ProfileName;
  readonly initial: string;
  readonly states: readonly ProfileState[];
  readonly terminal: Readonly<Record<string, WorkflowOutcome>>;
  /** The states that count for `progress_percentage`, in the seed's order. */
  readonly progressOrder: readonly string[];
  readonly transitions: readonly Transition[];
  /** Where a cancelled workflow ends; a profile without such a state uses its failed one. */
  readonly cancelled: string;
  readonly failed: string;
}

/** The state in which some profiles wait for a person. */
export const BLOCKED = 'blocked';

/** Edges as the seed draws them. */
export const seed = (...edges: readonly (readonly [from: string, to: string])[]): Transition[] =>
  edges.map(([from, to]) => ({ from, to, extension: false }));

/** Edges that the seed lacks. */
export const extension = (...edges: readonly (readonly [from: string, to: string])[]): Transition[] =>
  edges.map(([from, to]) => ({ from, to, extension: true }));

export const isTerminal = (profile: Profile, state: string): boolean => state in profile.terminal;

export function stateOf(profile: Profile, name: string): ProfileState | undefined {
  return profile.states.find((state) => state.name === name);
}

/** The states that may follow, in the table's order. */
export const allowedTransitions = (profile: Profile, from: string, strict: boolean): readonly string[] =>
  profile.transitions.filter((edge) => edge.from === from && !(strict && edge.extension)).map((edge) => edge.to);

export const isValidTransition = (profile: Profile, edge: { readonly from: string; readonly to: string }, strict: boolean): boolean =>
  allowedTransitions(profile, edge.from, strict).includes(edge.to);

/** The shortest allowed way from one state to another, without the first; undefined when there is none. Breadth first, in table order. */
export function pathTo(
  profile: Profile,
  edge: { readonly from: string; readonly to: string },
  strict: boolean,
): readonly string[] | undefined {
  const ways = new Map<string, readonly string[]>([[edge.from, []]]);
  const queue = [edge.from];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    const way = ways.get(at) ?? [];
    if (at === edge.to) return way;
    for (const next of allowedTransitions(profile, at, strict)) {
      if (ways.has(next)) continue;
      ways.set(next, [...way, next]);
      queue.push(next);
    }
  }
  return undefined;
}
