import type { PlanDraft, StepDraft, WorkflowOutcome } from '@taskmaster/contracts';
import type { SeededRandom, TestRepository } from '@taskmaster/testing';

const REQUIREMENTS = [
  'Create a REST API for user management with authentication, including login, registration, and password reset functionality',
  'Add a shopping cart with discounts and a checkout that sends an invoice',
  'Build a search over articles with filters, paging and a cache',
  'Write an export of monthly reports as CSV and PDF',
  'Send a reminder by e-mail when an appointment is near',
];

/** What clients of a torture run ask for. */
export const SHAPES = ['chain', 'fan-out', 'commands', 'sleeper', 'overdue', 'failing', 'family'] as const;
export type Shape = (typeof SHAPES)[number] | 'cicd';

/** One request, and the ends that it may come to when nobody cancels it. */
export interface Workload {
  readonly shape: Shape;
  readonly body: object;
  readonly ends: readonly WorkflowOutcome[];
  readonly repository?: TestRepository;
}

/** Attempts are lost on purpose, so a step gets many of them. */
const RETRY = { maxAttempts: 30, initialIntervalMs: 100, maxIntervalMs: 1_000, multiplier: 2 };
const NOOP = { builtin: 'noop' };
const OVERDUE_MS = 1_200;

const step = (id: string, input: StepDraft['input'], dependsOn: readonly string[] = [], more: Partial<StepDraft> = {}): StepDraft => ({
  id,
  kind: 'command.run',
  dependsOn,
  retry: RETRY,
  ...(input === undefined ? {} : { input }),
  ...more,
});

const chain = (links: number, inputs: readonly StepDraft['input'][]): readonly StepDraft[] =>
  Array.from({ length: links }, (_, index) =>
    step(`s${String(index + 1)}`, inputs[index % inputs.length], index === 0 ? [] : [`s${String(index)}`]),
  );

function fanOut(width: number): readonly StepDraft[] {
  const middle = Array.from({ length: width }, (_, index) => step(`m${String(index + 1)}`, NOOP, ['first']));
  const last = step(
    'last',
    NOOP,
    middle.map(({ id }) => id),
  );
  return [step('first', NOOP), ...middle, last];
}

/** A command that never ends before its deadline; the workflow goes on without it. */
const overdue = (): readonly StepDraft[] => [
  step('first', NOOP),
  step('endless', { command: ['sleep', '600'] }, ['first'], {
    timeoutMs: OVERDUE_MS,
    retry: { ...RETRY, maxAttempts: 2 },
    onFailure: 'continue',
  }),
  step('last', NOOP, ['endless']),
];

const failing = (): readonly StepDraft[] => [
  step('first', NOOP),
  step('fails', { command: ['false'] }, ['first'], { retry: { ...RETRY, maxAttempts: 2 } }),
  step('never', NOOP, ['fails']),
];

const child = (id: string, steps: readonly StepDraft[], dependsOn: readonly string[] = []): StepDraft =>
  step(id, { plan: { steps } } as unknown as StepDraft['input'], dependsOn, { kind: 'workflow.run' });

/** Workflows in workflows, some of them side by side. */
const family = (width: number): readonly StepDraft[] => [
  step('first', NOOP),
  ...Array.from({ length: width }, (_, index) =>
    child(`c${String(index + 1)}`, [step('a', NOOP), child('grandchild', chain(2, [NOOP, { command: ['true'] }]), ['a'])], ['first']),
  ),
  step('last', NOOP, ['c1']),
];

function planOf(shape: (typeof SHAPES)[number], random: SeededRandom): PlanDraft {
  switch (shape) {
    case 'chain':
      return { steps: chain(random.integer(1, 6), [NOOP]) };
    case 'fan-out':
      return { steps: fanOut(random.integer(2, 12)) };
    case 'commands':
      return { steps: chain(random.integer(1, 4), [{ command: ['true'] }, NOOP]) };
    case 'sleeper':
      return { steps: chain(3, [NOOP, { command: ['sleep', String(random.integer(1, 3))] }]) };
    case 'overdue':
      return { steps: overdue() };
    case 'failing':
      return { steps: failing() };
    case 'family':
      return { steps: family(random.integer(1, 3)) };
  }
}

const ENDS: Readonly<Record<(typeof SHAPES)[number], readonly WorkflowOutcome[]>> = {
  chain: ['completed'],
  'fan-out': ['completed'],
  commands: ['completed'],
  sleeper: ['completed'],
  overdue: ['completed'],
  failing: ['failed'],
  family: ['completed'],
};

/** The cheap shapes come most often. */
const MIX = ['chain', 'chain', 'chain', 'fan-out', 'fan-out', 'fan-out', 'commands', 'sleeper', 'overdue', 'failing', 'family'] as const;
const PRIORITIES = ['low', 'medium', 'high', 'critical'] as const;

/** A small workflow of one shape or another. */
export function anyWorkload(random: SeededRandom, title: string): Workload {
  const shape = random.pick(MIX);
  const body = { profile: 'simple', title: `${title} ${shape}`, priority: random.pick(PRIORITIES), plan: planOf(shape, random) };
  return { shape, body, ends: ENDS[shape] };
}

/** The whole way from a requirement to a merged change. Its agents may fail it for good; nothing may leave it open. */
export function cicdWorkload(turn: number, repository: TestRepository): Workload {
  const requirement = `Part ${String(turn + 1)}. ${REQUIREMENTS[turn % REQUIREMENTS.length] ?? ''}`;
  const body = { profile: 'cicd', requirement, repository: { url: repository.path, branch: repository.branch, forge: 'local' } };
  return { shape: 'cicd', body, ends: ['completed', 'failed'], repository };
}
