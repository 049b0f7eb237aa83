import { type Command, type JsonObject, type Priority, type StepDraft, type TenantId, type WorkflowRequest } from '@taskmaster/contracts';
import type { SeededRandom } from '@taskmaster/testing';
import type { Wish } from './clients.js';

export interface LoadOptions {
  readonly random: SeededRandom;
  readonly workflows: number;
  /** Over how long they are handed in. */
  readonly withinMs: number;
  /** Which steps are child workflows; a randomness of its own, so that it changes nothing else. */
  readonly children: SeededRandom;
}

const TENANTS = ['default', 'other'] as TenantId[];
const PRIORITIES: readonly Priority[] = ['low', 'medium', 'high', 'critical'];

/** What people ask for in one run: workflows of several shapes, and now and then to pause, resume or cancel one. */
export function anyWishes(options: LoadOptions): readonly Wish[] {
  return Array.from({ length: options.workflows }, (_, index) => wishesOfOne(options, index)).flat();
}

function wishesOfOne({ random, withinMs, children }: LoadOptions, index: number): readonly Wish[] {
  const tenantId = random.chance(0.75) ? (TENANTS[0] as TenantId) : (TENANTS[1] as TenantId);
  const key = `w${String(index)}`;
  const atMs = random.next() * withinMs;
  const wish = (what: string, command: Command, at: number): Wish => ({
    ...{ key: what, tenantId, command, atMs: at, repeats: random.chance(0.3) ? random.integer(1, 2) : 0 },
    ...(what === key ? {} : { of: key }),
  });
  const asked = withChildren(anyRequest(random, key), children);
  const answers = answersTo(asked).map((answer, i) => wish(`${key}-answer-${String(i)}`, answer, atMs + random.next() * 15_000));
  const wishes = [wish(key, { type: 'RequestWorkflow', data: { request: asked } }, atMs), ...answers];
  if (random.chance(0.3)) return [...wishes, ...pausing(wish, { random, key, pausedAt: atMs + random.next() * 5_000, withinMs })];
  return random.chance(0.2) ? [...wishes, wish(`${key}-cancel`, CANCEL, atMs + random.next() * 8_000)] : wishes;
}

/** What a person says about each step that may ask for one; refused where it does not. */
const answersTo = ({ source }: WorkflowRequest): readonly Command[] =>
  (source.kind === 'plan' ? source.plan.steps : [])
    .filter(({ onFailure }) => onFailure === 'escalate' || onFailure === 'block')
    .map(({ id }) => ({ type: 'ResolveEscalation', data: { escalationId: `step-${id}-1`, decision: 'retry', note: 'again' } }));

const CANCEL: Command = { type: 'CancelWorkflow', data: { reason: 'no more' } };
const RESUME: Command = { type: 'ResumeWorkflow', data: { reason: 'go on' } };

interface Pausing {
  readonly random: SeededRandom;
  readonly key: string;
  readonly pausedAt: number;
  readonly withinMs: number;
}

/** To pause and to go on, in whatever order they come; the last word is to go on, or to stop. */
function pausing(wish: (key: string, command: Command, at: number) => Wish, { random, key, pausedAt, withinMs }: Pausing): readonly Wish[] {
  const pause = wish(`${key}-pause`, { type: 'PauseWorkflow', data: { reason: 'wait' } }, pausedAt);
  const last = random.chance(0.8) ? wish(`${key}-resume-again`, RESUME, withinMs) : wish(`${key}-cancel`, CANCEL, withinMs);
  const resume = random.chance(0.7) ? [wish(`${key}-resume`, RESUME, pausedAt + 500 + random.next() * 8_000)] : [];
  return [pause, ...resume, { ...last, afterKey: pause.key }];
}

type Shape = 'plan' | 'change' | 'requirement';

const REPOSITORY = { url: 'file:///repository', branch: 'main', forge: 'local' } as const;

function anyRequest(random: SeededRandom, title: string): WorkflowRequest {
  const shape: Shape = random.pick(['plan', 'plan', 'plan', 'change', 'requirement']);
  return {
    profile: shape === 'requirement' ? random.pick(['cicd', 'simple'] as const) : 'simple',
    title,
    source:
      shape === 'requirement'
        ? { kind: 'requirement', text: 'Do what is asked for.' }
        : { kind: 'plan', plan: { steps: anyPlan(random, shape === 'change') } },
    ...(shape === 'plan' ? {} : { repository: REPOSITORY }),
    context: {},
    priority: random.pick(PRIORITIES),
    options: {
      ...{ drive: 'auto', strict: false, maxFixCycles: 2, enableNlp: shape === 'requirement', enableAgentCoordination: true },
      ...{ delegation: 'auto', validation: [], escalationTimeoutMs: 20_000 },
      timeoutMs: random.chance(0.1) ? 15_000 : 3_600_000,
      maxConcurrentSteps: random.integer(1, 8),
    },
  };
}

/** Share of the given plans that have child workflows, and of the steps of such a plan. */
const WITH_CHILDREN = 0.5;
const CHILDREN = 0.5;
const CHILDREN_DEPTH_MAX = 2;

/** The same request, some steps of its plan made child workflows. */
function withChildren(request: WorkflowRequest, random: SeededRandom): WorkflowRequest {
  const { source } = request;
  if (source.kind !== 'plan' || !random.chance(WITH_CHILDREN)) return request;
  return { ...request, source: { kind: 'plan', plan: { steps: source.plan.steps.map((step) => maybeChild(step, random, 1)) } } };
}

function maybeChild(step: StepDraft, random: SeededRandom, depth: number): StepDraft {
  if (step.kind !== 'command.run' || !random.chance(CHILDREN)) return step;
  const inside = anyPlan(random, false).slice(0, 3);
  const steps = depth < CHILDREN_DEPTH_MAX ? inside.map((each) => maybeChild(each, random, depth + 1)) : inside;
  // One that takes too long is cancelled now and then.
  const timeoutMs = random.chance(0.2) ? random.integer(500, 4_000) : 3_600_000;
  return { ...step, kind: 'workflow.run', timeoutMs, input: { plan: { steps } } as unknown as JsonObject };
}

const PLANNED = 's';

/** Whether a step is one that `anyPlan` made. */
export const isPlanned = (stepId: string): boolean => /^s\d$/.test(stepId);

/** A graph of one to seven steps: each depends on some of those before it. */
export function anyPlan(random: SeededRandom, withAgents: boolean): readonly StepDraft[] {
  const ids = Array.from({ length: random.integer(1, 7) }, (_, i) => `${PLANNED}${String(i)}`);
  return ids.map((id, i): StepDraft => {
    const dependsOn = ids.slice(Math.max(0, i - 3), i).filter(() => random.chance(0.5));
    const onFailure = random.pick(['fail', 'fail', 'fail', 'continue', 'continue', 'escalate', 'block'] as const);
    // Whoever asks a person asks soon, or nobody would be asked within a run.
    const maxAttempts = onFailure === 'escalate' || onFailure === 'block' ? 1 : 6;
    const retry = { maxAttempts, initialIntervalMs: random.integer(50, 800), multiplier: random.pick([1, 2]), maxIntervalMs: 2_000 };
    if (random.chance(0.5)) return { id, kind: 'command.run', dependsOn, input: { builtin: 'noop' }, retry, onFailure };
    const timeoutMs = random.integer(2_000, 8_000);
    if (!withAgents) return { id, kind: 'command.run', dependsOn, input: { command: ['work'] }, retry, onFailure, timeoutMs };
    return { id, kind: 'agent.run', dependsOn, input: { instruction: 'work' }, retry, onFailure, timeoutMs };
  });
}
