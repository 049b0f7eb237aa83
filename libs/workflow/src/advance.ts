import {
  assertNever,
  invariant,
  type JsonObject,
  type StepId,
  type Timestamp,
  type WorkflowEvent,
  type WorkflowOutcome,
} from '@taskmaster/contracts';
import { record, type Draft } from './draft.js';
import { escalationFacts } from './escalation.js';
import { isTerminal, pathTo, stateOf, type Profile, type StageFailure } from './profiles/profile.js';
import { profileOf } from './profiles/index.js';
import { readiedAgain, stageReadied } from './ready.js';
import { repairFacts } from './repair.js';
import { isValidationFailure, stageStepId, standingOf, type StageStanding } from './stages.js';
import { attemptOf, isChildRunning, isOpen } from './step.js';
import type { LiveWorkflow } from './state.js';
import { allSteps, openSteps, stepOf } from './steps.js';

/** More rounds than any profile has states; a bound, not a budget. */
const ADVANCE_ROUNDS_MAX = 64;

/** Records everything that has become true: a fact that makes another fact true emits both in one decision. */
export function advance(draft: Draft): Draft {
  let at = draft;
  for (let round = 0; round < ADVANCE_ROUNDS_MAX; round += 1) {
    const events = consequences(at.workflow, at.now);
    if (events.length === 0) return at;
    at = record(at, ...events);
  }
  invariant(false, 'a decision settles within a bounded number of rounds');
}

/** What follows from the state alone, or nothing. */
function consequences(w: LiveWorkflow, now: Timestamp): readonly WorkflowEvent[] {
  const profile = profileOf(w.request.profile);
  if (w.status === 'ended') return [];
  if (isTerminal(profile, w.state)) return closing(w, profile, now);
  if (w.cancelling !== null) return transitionAlong(w, profile, { to: profile.cancelled, reason: w.cancelling });
  if (w.paused !== null || w.escalation !== null || w.slot !== 'held') return [];
  const again = readiedAgain(w, now);
  if (again.length > 0) return again;
  return w.request.options.drive === 'manual' ? [] : stageConsequences(w, profile, now);
}

/** The first stage of the state that is not done decides; when all are, the state is left. */
function stageConsequences(w: LiveWorkflow, profile: Profile, now: Timestamp): readonly WorkflowEvent[] {
  const state = stateOf(profile, w.state);
  invariant(state !== undefined, 'a workflow is in a state of its profile');
  let reason = '';
  let metadata: JsonObject = {};
  for (const stage of state.stages) {
    const standing = standingOf(stage, w, now);
    if (standing.kind !== 'done') return factsOf(standing, w, { now, failure: state.onFailure?.[stage] });
    if (!standing.skipped || reason === '') reason = standing.reason;
    metadata = { ...metadata, ...standing.metadata };
  }
  if (state.next === undefined) return [];
  const leave: WorkflowEvent = { type: 'WorkflowTransitioned', data: { from: w.state, to: state.next, reason, metadata } };
  return state.stages.includes('repair') ? repairedThen(w, now, [leave]) : [leave];
}

/** What a stage that is not done leads to. */
function factsOf(
  standing: Exclude<StageStanding, { readonly kind: 'done' }>,
  w: LiveWorkflow,
  { now, failure }: Omit<StageFailed, 'reason'>,
): readonly WorkflowEvent[] {
  switch (standing.kind) {
    case 'busy':
      return [];
    case 'begin':
      return standing.events;
    case 'asks':
      return escalationFacts(w, standing.step, now);
    case 'failed':
      return failureFacts(w, { now, reason: standing.reason, failure });
    default:
      return assertNever(standing);
  }
}

/** Plans a repair and goes on; when a person must be asked first, the workflow stays where it is. */
function repairedThen(w: LiveWorkflow, now: Timestamp, go: readonly WorkflowEvent[]): readonly WorkflowEvent[] {
  const repair = repairFacts(w, now);
  return repair.some((event) => event.type === 'PlanAmended') ? [...repair, ...go] : repair;
}

interface StageFailed {
  readonly now: Timestamp;
  readonly reason: string;
  readonly failure: StageFailure | undefined;
}

/** A failed validation may be repaired; anything else that failed fails the workflow. */
function failureFacts(w: LiveWorkflow, failed: StageFailed): readonly WorkflowEvent[] {
  const { failure, reason, now } = failed;
  const profile = profileOf(w.request.profile);
  if (failure === undefined || !isValidationFailure(w)) return failFacts(w, reason, now);
  const reachable = failure.to === w.state || pathTo(profile, { from: w.state, to: failure.to }, w.request.options.strict)?.length === 1;
  if (!reachable) return failFacts(w, reason, now);
  const go: readonly WorkflowEvent[] =
    failure.to === w.state ? [] : [{ type: 'WorkflowTransitioned', data: { from: w.state, to: failure.to, reason, metadata: {} } }];
  return failure.kind === 'go' ? go : repairedThen(w, now, go);
}

/** Cancels what is open and walks to the failed state; a strict profile without such a way is walked to its cancelled one. */
export function failFacts(w: LiveWorkflow, reason: string, _now: Timestamp): readonly WorkflowEvent[] {
  const profile = profileOf(w.request.profile);
  return [...cancelOpenSteps(w, 'the workflow failed'), ...transitionAlong(w, profile, { to: profile.failed, reason })];
}

/** A child workflow is told to end instead, and its step is cancelled when it has. */
export const cancelOpenSteps = (w: LiveWorkflow, reason: string): readonly WorkflowEvent[] =>
  openSteps(w.steps)
    .filter((step) => !isChildRunning(step))
    .map((step) => ({ type: 'StepCancelled', data: { stepId: step.spec.id, attempt: attemptOf(step), reason } }));

function transitionAlong(
  w: LiveWorkflow,
  profile: Profile,
  goal: { readonly to: string; readonly reason: string },
): readonly WorkflowEvent[] {
  const { strict } = w.request.options;
  const way = pathTo(profile, { from: w.state, to: goal.to }, strict) ?? pathTo(profile, { from: w.state, to: profile.cancelled }, strict);
  invariant(way !== undefined && way.length > 0, 'every state has a way to an end');
  return way.map((to, i) => ({
    type: 'WorkflowTransitioned',
    data: {
      from: i === 0 ? w.state : (way[i - 1] ?? w.state),
      to,
      reason: goal.reason,
      metadata: i < way.length - 1 ? { passing: true } : {},
    },
  }));
}

/** In a terminal state what never ran is skipped and what is left behind is discarded, as a step with a deadline; then the workflow ends. */
function closing(w: LiveWorkflow, profile: Profile, now: Timestamp): readonly WorkflowEvent[] {
  const outcome: WorkflowOutcome = w.cancelling === null ? (profile.terminal[w.state] ?? 'failed') : 'cancelled';
  const never = neverRun(w, outcome);
  if (never.length > 0) return never;
  // No child outlives its parent.
  if (openSteps(w.steps).some(isChildRunning)) return [];
  const id = stageStepId('discard', 0);
  const discard = stepOf(w.steps, id);
  if (discard === undefined && outcome !== 'completed' && hasLeftTraces(w)) return [stageReadied(id, 'change.discard', { outcome }, now)];
  if (discard !== undefined && isOpen(discard)) return [];
  const leftovers = leftoversOf(w, id);
  return [{ type: 'WorkflowEnded', data: { outcome, reason: w.reason, result: resultOf(w), leftovers } }];
}

const neverRun = (w: LiveWorkflow, outcome: WorkflowOutcome): readonly WorkflowEvent[] =>
  (w.plan?.stepIds ?? [])
    .filter((stepId) => stepOf(w.steps, stepId)?.situation.status === 'pending')
    .map((stepId) => ({ type: 'StepSkipped', data: { stepId, reason: `the workflow was ${outcome} before` } }));

/** Only work in a repository leaves branches and workspaces behind. */
const hasLeftTraces = (w: LiveWorkflow): boolean =>
  w.request.repository !== undefined &&
  allSteps(w.steps).some((step) => /^(agent|command|change)\./.test(step.spec.kind) && step.situation.status !== 'pending');

function leftoversOf(w: LiveWorkflow, id: StepId): readonly string[] {
  const situation = stepOf(w.steps, id)?.situation;
  if (situation?.status === 'failed') return [`could not be discarded: ${situation.error.message}`];
  const listed = situation?.status === 'succeeded' ? situation.output['leftovers'] : undefined;
  return Array.isArray(listed) ? listed.filter((item) => typeof item === 'string') : [];
}

function resultOf(w: LiveWorkflow): JsonObject {
  if (w.pullRequest !== null) {
    const { number, url, target, commit } = w.pullRequest;
    return commit === undefined ? { pullRequest: number, url } : { pullRequest: number, url, target, commit };
  }
  return {};
}
