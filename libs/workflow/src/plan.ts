import {
  assertNever,
  err,
  isJsonObject,
  ok,
  parseStepId,
  PLAN_STEPS_MAX,
  PRIORITIES,
  PROFILE_NAMES,
  STAGE_STEP_PREFIX,
  STEP_DEPENDENCIES_MAX,
  STEP_INPUT_BYTES_MAX,
  STEP_KINDS,
  WORKFLOW_DEPTH_MAX,
  type JsonObject,
  type PlanDraft,
  type PlannedStep,
  type Result,
  type StepDraft,
  type StepId,
  type StepKind,
} from '@taskmaster/contracts';
import { retryPolicyOf } from './recovery.js';

/** A plan that has passed `parsePlan`: bounded, unique ids, known dependencies, acyclic. */
export interface Plan {
  /** In topological order; among equals, in the order of the draft. */
  readonly steps: readonly PlannedStep[];
  /** Steps that may run side by side, wave after wave. */
  readonly waves: readonly (readonly StepId[])[];
  /** The longest chain of dependencies, first to last. */
  readonly criticalPath: readonly StepId[];
}

export type PlanFault =
  | { readonly kind: 'plan-empty' }
  | { readonly kind: 'plan-too-many-steps'; readonly count: number }
  | { readonly kind: 'plan-duplicate-step'; readonly stepId: string }
  | { readonly kind: 'plan-unknown-dependency'; readonly stepId: string; readonly dependency: string }
  | { readonly kind: 'plan-cycle'; readonly stepIds: readonly string[] }
  | { readonly kind: 'plan-invalid-step'; readonly stepId: string; readonly reason: string };

const TITLE_LENGTH_MAX = 200;
const PLAIN_TIMEOUT_MS = 300_000;
const AGENT_TIMEOUT_MS = 1_800_000;
const STEP_TIMEOUT_MS_MAX = 86_400_000;
/** Start-to-close limit by kind (C4): agent work 30 minutes, a child workflow as long as it takes by its own limits, anything else 5 minutes. */
export function defaultTimeoutMs(kind: StepKind): number {
  if (kind === 'workflow.run') return STEP_TIMEOUT_MS_MAX;
  return kind.startsWith('agent.') ? AGENT_TIMEOUT_MS : PLAIN_TIMEOUT_MS;
}

/** Kinds that a plan may ask for today; the others belong to stages. */
const PLANNABLE: readonly StepKind[] = ['agent.run', 'command.run', 'requirements.parse', 'workflow.run'];

/**
 * Parses a draft. Linear in steps and dependencies; every order is the draft's, so the result is the same every time.
 * @param depth of the workflow whose plan it is, under the one whose plan was given: plans of child workflows are parsed with it
 */
export function parsePlan(draft: PlanDraft, depth = 0): Result<Plan, PlanFault> {
  if (!Array.isArray(draft.steps) || draft.steps.length === 0) return err({ kind: 'plan-empty' });
  if (draft.steps.length > PLAN_STEPS_MAX) return err({ kind: 'plan-too-many-steps', count: draft.steps.length });
  const byId = new Map<string, PlannedStep>();
  for (const stepDraft of draft.steps as readonly StepDraft[]) {
    const step = parseStep(stepDraft, depth);
    if (!step.ok) return step;
    if (byId.has(step.value.id)) return err({ kind: 'plan-duplicate-step', stepId: step.value.id });
    byId.set(step.value.id, step.value);
  }
  for (const step of byId.values()) {
    const missing = step.dependsOn.find((id) => !byId.has(id));
    if (missing !== undefined) return err({ kind: 'plan-unknown-dependency', stepId: step.id, dependency: missing });
  }
  return arrange([...byId.values()]);
}

function parseStep(draft: StepDraft, depth: number): Result<PlannedStep, PlanFault> {
  const invalid = (reason: string): Result<PlannedStep, PlanFault> =>
    err({ kind: 'plan-invalid-step', stepId: String(draft.id).slice(0, 64), reason });
  const id = parseStepId(draft.id);
  if (!id.ok) return invalid('an id is 1 to 48 lower case letters, digits and dashes');
  const fault = stepFault(draft, depth);
  if (fault !== undefined) return invalid(fault);
  const dependsOn = [...new Set(draft.dependsOn ?? [])] as StepId[];
  return ok({
    id: id.value,
    title: draft.title ?? draft.id,
    kind: draft.kind,
    dependsOn,
    input: draft.input ?? {},
    needs: draft.needs ?? {},
    retry: retryPolicyOf(draft.retry, draft.kind),
    timeoutMs: draft.timeoutMs ?? defaultTimeoutMs(draft.kind),
    onFailure: draft.onFailure ?? 'fail',
  });
}

const STEP_RULES: readonly (readonly [holds: (draft: StepDraft) => boolean, otherwise: string])[] = [
  [(d) => !d.id.startsWith(STAGE_STEP_PREFIX), `ids that start with ${STAGE_STEP_PREFIX} belong to the platform`],
  [(d) => STEP_KINDS.includes(d.kind), `its kind is none of ${PLANNABLE.join(', ')}`],
  [(d) => PLANNABLE.includes(d.kind), `a plan may ask for ${PLANNABLE.join(', ')}; other kinds are run by stages`],
  [(d) => (d.dependsOn ?? []).length <= STEP_DEPENDENCIES_MAX, `more than ${String(STEP_DEPENDENCIES_MAX)} dependencies`],
  [(d) => d.input === undefined || isJsonObject(d.input), 'its input is not an object'],
  [(d) => JSON.stringify(d.input ?? {}).length <= STEP_INPUT_BYTES_MAX, `its input is larger than ${String(STEP_INPUT_BYTES_MAX)} bytes`],
  [
    (d) => d.kind !== 'command.run' || isCommandInput(d.input),
    'command.run needs input {"builtin":"noop"} or {"command":["program","argument"]}',
  ],
  [(d) => d.kind !== 'agent.run' || typeof d.input?.['instruction'] === 'string', 'agent.run needs input {"instruction":"…"}'],
  [
    (d) => d.timeoutMs === undefined || (d.timeoutMs >= 1 && d.timeoutMs <= STEP_TIMEOUT_MS_MAX),
    `its timeoutMs is not between 1 and ${String(STEP_TIMEOUT_MS_MAX)}`,
  ],
];

const stepFault = (draft: StepDraft, depth: number): string | undefined =>
  STEP_RULES.find(([holds]) => !holds(draft))?.[1] ?? (draft.kind === 'workflow.run' ? childFault(draft.input ?? {}, depth) : undefined);

function isCommandInput(input: StepDraft['input']): boolean {
  if (input === undefined) return false;
  if (input['builtin'] === 'noop') return true;
  const command = input['command'];
  return Array.isArray(command) && command.length > 0 && command.every((part) => typeof part === 'string');
}

const CHILD_FIELDS = ['requirement', 'plan', 'title', 'profile', 'priority', 'context'];
const CHILD_NEEDS = 'workflow.run needs input {"requirement":"…"} or {"plan":{"steps":[…]}}';

/** What is wrong with the input of a `workflow.run` step. */
function childFault(input: JsonObject, depth: number): string | undefined {
  const { requirement, plan } = input;
  if ((requirement === undefined) === (plan === undefined)) return CHILD_NEEDS;
  const field = CHILD_RULES.find(([name, holds]) => input[name] !== undefined && !holds(input[name]))?.[0];
  if (field !== undefined) return `the ${field} of its child workflow is not valid`;
  const unknown = Object.keys(input).find((name) => !CHILD_FIELDS.includes(name));
  if (unknown !== undefined) return `a child workflow has no ${unknown}, but ${CHILD_FIELDS.join(', ')}`;
  if (plan === undefined) return undefined;
  if (depth >= WORKFLOW_DEPTH_MAX) return `child workflows lie more than ${String(WORKFLOW_DEPTH_MAX)} deep`;
  const parsed = parsePlan(plan as unknown as PlanDraft, depth + 1);
  return parsed.ok ? undefined : `the plan of its child workflow: ${describePlanFault(parsed.error)}`;
}

const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== '';
const CHILD_RULES: readonly (readonly [field: string, holds: (value: unknown) => boolean])[] = [
  ['requirement', isText],
  ['plan', (value) => isJsonObject(value) && Array.isArray(value['steps'])],
  ['title', (value) => isText(value) && String(value).length <= TITLE_LENGTH_MAX],
  ['profile', (value) => PROFILE_NAMES.some((name) => name === value)],
  ['priority', (value) => PRIORITIES.some((name) => name === value)],
  ['context', isJsonObject],
];

/** Says what is wrong with a plan, naming the steps. */
export function describePlanFault(fault: PlanFault): string {
  switch (fault.kind) {
    case 'plan-empty':
      return 'the plan has no steps';
    case 'plan-too-many-steps':
      return `the plan has ${String(fault.count)} steps, more than are allowed`;
    case 'plan-duplicate-step':
      return `two steps are called ${fault.stepId}`;
    case 'plan-unknown-dependency':
      return `step ${fault.stepId} depends on ${fault.dependency}, which the plan does not contain`;
    case 'plan-cycle':
      return `these steps depend on each other in a circle: ${fault.stepIds.join(' → ')}`;
    case 'plan-invalid-step':
      return `step ${fault.stepId}: ${fault.reason}`;
    default:
      return assertNever(fault);
  }
}

/** Topological order in waves (Kahn), the critical path, or the steps of one real cycle. */
function arrange(steps: readonly PlannedStep[]): Result<Plan, PlanFault> {
  const waiting = new Map(steps.map((step) => [step.id, step.dependsOn.length]));
  const dependants = new Map<StepId, StepId[]>();
  for (const step of steps)
    for (const id of step.dependsOn) {
      const known = dependants.get(id);
      if (known === undefined) dependants.set(id, [step.id]);
      else known.push(step.id);
    }
  const waves: StepId[][] = [];
  let wave = steps.filter((step) => step.dependsOn.length === 0).map((step) => step.id);
  let placed = 0;
  while (wave.length > 0) {
    waves.push(wave);
    placed += wave.length;
    const next: StepId[] = [];
    for (const id of wave.flatMap((done) => dependants.get(done) ?? [])) {
      const left = (waiting.get(id) ?? 0) - 1;
      waiting.set(id, left);
      if (left === 0) next.push(id);
    }
    wave = next;
  }
  if (placed < steps.length) return err({ kind: 'plan-cycle', stepIds: findCycle(steps, waiting) });
  const byId = new Map(steps.map((step) => [step.id, step]));
  const ordered = waves
    .flat()
    .map((id) => byId.get(id))
    .filter((step) => step !== undefined);
  return ok({ steps: ordered, waves, criticalPath: criticalPathOf(ordered) });
}

/** Every step that Kahn could not place has an unplaced dependency, so walking those must close a cycle. */
function findCycle(steps: readonly PlannedStep[], waiting: ReadonlyMap<StepId, number>): readonly string[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const stuck = (id: StepId): boolean => (waiting.get(id) ?? 0) > 0;
  const walk: StepId[] = [];
  let at = steps.find((step) => stuck(step.id))?.id;
  while (at !== undefined && !walk.includes(at)) {
    walk.push(at);
    at = byId.get(at)?.dependsOn.find(stuck);
  }
  return at === undefined ? walk : [...walk.slice(walk.indexOf(at)).reverse(), ...walk.slice(walk.indexOf(at)).reverse().slice(0, 1)];
}

/** What follows from steps in topological order, such as those of an adopted plan. */
export function shapeOfPlan(ordered: readonly PlannedStep[]): Pick<Plan, 'waves' | 'criticalPath'> {
  const waveOf = new Map<StepId, number>();
  const waves: StepId[][] = [];
  for (const { id, dependsOn } of ordered) {
    const wave = dependsOn.reduce((latest, on) => Math.max(latest, (waveOf.get(on) ?? -1) + 1), 0);
    waveOf.set(id, wave);
    (waves[wave] ??= []).push(id);
  }
  return { waves, criticalPath: criticalPathOf(ordered) };
}

function criticalPathOf(ordered: readonly PlannedStep[]): readonly StepId[] {
  const longest = new Map<StepId, { readonly length: number; readonly before: StepId | undefined }>();
  const lengthTo = (id: StepId | undefined): number => (id === undefined ? 0 : (longest.get(id)?.length ?? 0));
  let last: StepId | undefined;
  for (const step of ordered) {
    let before: StepId | undefined;
    for (const id of step.dependsOn) if (lengthTo(id) > lengthTo(before)) before = id;
    longest.set(step.id, { length: lengthTo(before) + 1, before });
    if (lengthTo(step.id) > lengthTo(last)) last = step.id;
  }
  const path: StepId[] = [];
  for (let id = last; id !== undefined; id = longest.get(id)?.before) path.push(id);
  return path.reverse();
}
