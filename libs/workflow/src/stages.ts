import {
  assertNever,
  type JsonObject,
  type PlannedStep,
  type StepId,
  type StepKind,
  type Timestamp,
  type WorkflowEvent,
  type WorkflowSource,
} from '@taskmaster/contracts';
import { mayAsk } from './escalation.js';
import { parsePlan, type Plan } from './plan.js';
import { planAdopted } from './plan-parts.js';
import { planIsSettled, readiedUnblocked, stageReadied, unforgivenSteps } from './ready.js';
import type { StageName } from './profiles/profile.js';
import { retryPolicyOf } from './recovery.js';
import type { Step } from './step.js';
import type { LiveWorkflow } from './state.js';
import { stepOf } from './steps.js';

/** How a stage stands: a pure question about the state, never a cursor. */
export type StageStanding =
  | { readonly kind: 'done'; readonly reason: string; readonly skipped: boolean; readonly metadata?: JsonObject }
  | { readonly kind: 'begin'; readonly events: readonly WorkflowEvent[] }
  | { readonly kind: 'busy' }
  | { readonly kind: 'failed'; readonly reason: string }
  /** A person decides what becomes of a failed step. */
  | { readonly kind: 'asks'; readonly step: Step };

const done = (reason: string, metadata: JsonObject = {}): StageStanding => ({ kind: 'done', reason, skipped: false, metadata });
/** A stage with nothing to do: its state is entered and left with that reason. */
const skipped = (reason: string): StageStanding => ({ kind: 'done', reason, skipped: true });
const BUSY: StageStanding = { kind: 'busy' };

/** Where a stage of the current state stands. */
export function standingOf(stage: StageName, w: LiveWorkflow, now: Timestamp): StageStanding {
  switch (stage) {
    case 'admit':
      return w.slot === 'held' ? done('admitted') : BUSY;
    case 'analyze':
      return analyze(w, now);
    case 'plan':
      return plan(w, now);
    case 'resolve':
      return w.plan === null
        ? BUSY
        : done('order resolved', { waves: w.plan.waves.length, steps: w.plan.stepIds.length, ...criticalPathOf(w.plan.criticalPath) });
    case 'delegate':
      return delegate(w, now);
    case 'execute':
      return execute(w, now);
    case 'land':
      return ownStep(w, now, {
        skip: withoutOwnChange(w),
        kind: 'change.land',
        name: 'land',
        input: { cycle: w.cycle },
        reason: withoutChange(w) ?? 'pull request opened',
      });
    case 'review':
      return skipped('no review asked for');
    case 'validate':
      return validate(w, now);
    case 'merge':
      return merge(w, now);
    case 'repair':
      return done('repair planned');
    default:
      return assertNever(stage);
  }
}

/** A longer one is told by its length: it would not fit into an event. */
const CRITICAL_PATH_STEPS_MAX = 200;
const criticalPathOf = (path: readonly StepId[]): JsonObject =>
  path.length <= CRITICAL_PATH_STEPS_MAX ? { criticalPath: [...path] } : { criticalPathSteps: path.length };

const withoutRepository = (w: LiveWorkflow): string | undefined => (w.request.repository === undefined ? 'no repository' : undefined);

/** Why a workflow ends as completed although it merged nothing: the target holds its change. */
export const ALREADY_THERE = 'already there';
export const isAlreadyThere = (landed: JsonObject): boolean => landed['alreadyThere'] === true;

/** Why there is nothing to validate and to merge, when that is so. */
function withoutChange(w: LiveWorkflow): string | undefined {
  const landed = stepOf(w.steps, stageStepId('land', w.cycle))?.situation;
  return landed?.status === 'succeeded' && isAlreadyThere(landed.output) ? ALREADY_THERE : withoutOwnChange(w);
}

const DELIVERED_BY_CHILDREN = 'its child workflows delivered';

/** Why a workflow has no change of its own, when that is so: children deliver theirs themselves, and a parent that only runs them has none. */
function withoutOwnChange(w: LiveWorkflow): string | undefined {
  const specs = (w.plan?.stepIds ?? []).flatMap((id) => stepOf(w.steps, id)?.spec ?? []);
  const isParentOnly = specs.some(({ kind }) => kind === 'workflow.run') && !specs.some(mayChange);
  return isParentOnly ? DELIVERED_BY_CHILDREN : withoutRepository(w);
}

const mayChange = ({ kind, input }: PlannedStep): boolean =>
  kind.startsWith('agent.') || (kind === 'command.run' && input['builtin'] === undefined);

interface OwnStep {
  /** Why the stage has nothing to do, when it has not. */
  readonly skip: string | undefined;
  readonly kind: StepKind;
  readonly name: string;
  readonly input: JsonObject;
  readonly reason: string;
}

/** The id of a stage's own step in the current cycle. */
export const stageStepId = (name: string, cycle: number): StepId => `tm-${name}-${String(cycle)}` as StepId;

/** A stage that runs one step of its own. */
function ownStep(w: LiveWorkflow, now: Timestamp, own: OwnStep): StageStanding {
  if (own.skip !== undefined) return skipped(own.skip);
  const id = stageStepId(own.name, w.cycle);
  const step = stepOf(w.steps, id);
  if (step === undefined) return { kind: 'begin', events: [stageReadied(id, own.kind, own.input, now)] };
  return standingOfStep(step, own.reason);
}

function standingOfStep(step: Step, reason: string): StageStanding {
  const { situation } = step;
  if (situation.status === 'succeeded') return done(reason);
  if (situation.status === 'failed') return { kind: 'failed', reason: `${step.spec.title}: ${situation.error.message}` };
  return BUSY;
}

function analyze(w: LiveWorkflow, now: Timestamp): StageStanding {
  const { source, options, context } = w.request;
  if (source.kind !== 'requirement') return skipped('plan given');
  if (!options.enableNlp) return skipped('language understanding is switched off');
  return ownStep(w, now, {
    skip: undefined,
    kind: 'requirements.parse',
    name: 'analyze',
    input: { ...carried(source), context },
    reason: 'requirement understood',
  });
}

const CARRIED_TEXT_MAX = 4_000;
type Requirement = Extract<WorkflowSource, { kind: 'requirement' }>;

const isCarried = ({ text, contentHash }: Requirement): boolean => contentHash === undefined && text.length <= CARRIED_TEXT_MAX;
/** A long text stays with the request; whoever needs it asks for the step's context. */
const carried = (source: Requirement): JsonObject => (isCarried(source) ? { text: source.text } : {});

function plan(w: LiveWorkflow, now: Timestamp): StageStanding {
  if (w.plan !== null) return done(w.request.source.kind === 'plan' ? 'plan given' : 'requirement decomposed');
  const { source, options, context, repository } = w.request;
  if (source.kind === 'plan') {
    const given = parsePlan(source.plan);
    return given.ok ? { kind: 'begin', events: planAdopted(given.value, 'given') } : { kind: 'failed', reason: given.error.kind };
  }
  if (source.kind !== 'requirement') return { kind: 'failed', reason: 'unsupported-source' };
  if (w.requirements === null) return { kind: 'begin', events: planAdopted(undividedPlan(source), 'given') };
  const { items, metadata } = w.requirements;
  const input = {
    items: items as unknown as JsonObject[],
    metadata: metadata as unknown as JsonObject,
    context,
    hasRepository: repository !== undefined,
    enableAgentCoordination: options.enableAgentCoordination,
  };
  return ownStep(w, now, { skip: undefined, kind: 'requirements.decompose', name: 'plan', input, reason: 'requirement decomposed' });
}

const UNDIVIDED_TITLE = 'Implement the requirement';

/** Without language understanding the requirement is one piece of work, handed to one agent as it was written. */
function undividedPlan(source: Requirement): Plan {
  const step: PlannedStep = {
    id: 'implement' as StepId,
    title: UNDIVIDED_TITLE,
    kind: 'agent.run',
    dependsOn: [],
    input: {
      title: UNDIVIDED_TITLE,
      ...(isCarried(source) ? { instruction: source.text } : { instructionFrom: 'requirement' }),
    },
    needs: {},
    retry: retryPolicyOf(undefined),
    timeoutMs: 1_800_000,
    onFailure: 'fail',
  };
  return { steps: [step], waves: [[step.id]], criticalPath: [step.id] };
}

/** Ends with the first assignment; a plan without agent steps needs none. */
function delegate(w: LiveWorkflow, now: Timestamp): StageStanding {
  const steps = (w.plan?.stepIds ?? []).map((id) => stepOf(w.steps, id)).filter((step) => step !== undefined);
  const agentSteps = steps.filter((step) => step.spec.kind.startsWith('agent.'));
  if (agentSteps.length === 0) return skipped('no agent needed');
  if (agentSteps.some((step) => !['pending', 'ready'].includes(step.situation.status))) return done('first agent assigned');
  return execute(w, now);
}

/** Readies what its dependencies allow; done when every step is settled as its policy allows. */
function execute(w: LiveWorkflow, now: Timestamp): StageStanding {
  const unforgiven = unforgivenSteps(w);
  const failed = unforgiven.find((step) => !mayAsk(step));
  if (failed !== undefined) return standingOfStep(failed, '');
  const escalated = unforgiven.find((step) => step.spec.onFailure === 'escalate');
  if (escalated !== undefined) return { kind: 'asks', step: escalated };
  const events = readiedUnblocked(w, now);
  if (events.length > 0) return { kind: 'begin', events };
  if (w.steps.open.length > 0) return BUSY;
  const [blocking] = unforgiven;
  if (blocking !== undefined) return { kind: 'asks', step: blocking };
  return planIsSettled(w) ? done('all steps settled') : BUSY;
}

const NO_VALIDATION_NEEDED = 'nothing to validate without a repository';

function validate(w: LiveWorkflow, now: Timestamp): StageStanding {
  const skip = withoutRepository(w) === undefined ? withoutChange(w) : NO_VALIDATION_NEEDED;
  const standing = ownStep(w, now, {
    skip,
    kind: 'change.validate',
    name: 'validate',
    input: { cycle: w.cycle },
    reason: 'validation passed',
  });
  const last = w.validations.at(-1);
  return standing.kind === 'done' && skip === undefined && last?.cycle === w.cycle && !last.passed
    ? { kind: 'failed', reason: 'validation failed' }
    : standing;
}

function merge(w: LiveWorkflow, now: Timestamp): StageStanding {
  const last = w.validations.at(-1);
  const input = { cycle: w.cycle, commit: last?.commit ?? '', base: last?.base ?? '' };
  const skip = withoutChange(w);
  const standing = ownStep(w, now, { skip, kind: 'change.merge', name: 'merge', input, reason: 'change merged' });
  return standing.kind === 'done' && skip === undefined && w.pullRequest?.state !== 'merged'
    ? { kind: 'failed', reason: 'the target moved and the merged result no longer passes' }
    : standing;
}

/** Whether a step of this stage's own is what the workflow is doing; used to tell a failed stage from a failed validation. */
export const isValidationFailure = (w: LiveWorkflow): boolean => {
  const last = w.validations.at(-1);
  return last !== undefined && !last.passed && last.cycle === w.cycle;
};
