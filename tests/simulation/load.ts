import {
  clientCommandId,
  workflowIdOf,
  workflowStream,
  type Command,
  type Priority,
  type StepDraft,
  type TenantId,
  type WorkflowRequest,
} from '@taskmaster/contracts';
import type { SeededRandom } from '@taskmaster/testing';
import type { Wish } from './clients.js';

export interface LoadOptions {
  readonly random: SeededRandom;
  readonly workflows: number;
  /** Over how long they are handed in. */
  readonly withinMs: number;
}

const TENANTS = ['default', 'other'] as TenantId[];
const PRIORITIES: readonly Priority[] = ['low', 'medium', 'high', 'critical'];

/** What people ask for in one run: workflows of several shapes, and now and then to pause, resume or cancel one. */
export function anyWishes(options: LoadOptions): readonly Wish[] {
  return Array.from({ length: options.workflows }, (_, index) => wishesOfOne(options, index)).flat();
}

function wishesOfOne({ random, withinMs }: LoadOptions, index: number): readonly Wish[] {
  const tenantId = random.chance(0.75) ? (TENANTS[0] as TenantId) : (TENANTS[1] as TenantId);
  const key = `w${String(index)}`;
  const stream = workflowStream(workflowIdOf(clientCommandId(tenantId, key)));
  const atMs = random.next() * withinMs;
  const wish = (what: string, command: Command, at: number): Wish => ({
    ...{ key: what, tenantId, stream, command, atMs: at, repeats: random.chance(0.3) ? random.integer(1, 2) : 0 },
  });
  const wishes = [wish(key, { type: 'RequestWorkflow', data: { request: anyRequest(random, key) } }, atMs)];
  if (random.chance(0.3)) {
    const pausedAt = atMs + random.next() * 5_000;
    wishes.push(wish(`${key}-pause`, { type: 'PauseWorkflow', data: { reason: 'wait' } }, pausedAt));
    wishes.push(wish(`${key}-resume`, { type: 'ResumeWorkflow', data: { reason: 'go on' } }, pausedAt + 500 + random.next() * 8_000));
    // Whatever order they came in, the last word is to go on.
    wishes.push(wish(`${key}-resume-again`, { type: 'ResumeWorkflow', data: { reason: 'go on' } }, withinMs + 45_000));
  }
  if (random.chance(0.15))
    wishes.push(wish(`${key}-cancel`, { type: 'CancelWorkflow', data: { reason: 'no more' } }, atMs + random.next() * 8_000));
  return wishes;
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

const PLANNED = 's';

/** Whether a step is one that `anyPlan` made. */
export const isPlanned = (stepId: string): boolean => /^s\d$/.test(stepId);

/** A graph of one to seven steps: each depends on some of those before it. */
export function anyPlan(random: SeededRandom, withAgents: boolean): readonly StepDraft[] {
  const ids = Array.from({ length: random.integer(1, 7) }, (_, i) => `${PLANNED}${String(i)}`);
  return ids.map((id, i): StepDraft => {
    const dependsOn = ids.slice(Math.max(0, i - 3), i).filter(() => random.chance(0.5));
    const retry = { maxAttempts: 6, initialIntervalMs: random.integer(50, 800), multiplier: random.pick([1, 2]), maxIntervalMs: 2_000 };
    const onFailure = random.chance(0.3) ? 'continue' : 'fail';
    if (random.chance(0.5)) return { id, kind: 'command.run', dependsOn, input: { builtin: 'noop' }, retry, onFailure };
    const timeoutMs = random.integer(2_000, 8_000);
    if (!withAgents) return { id, kind: 'command.run', dependsOn, input: { command: ['work'] }, retry, onFailure, timeoutMs };
    return { id, kind: 'agent.run', dependsOn, input: { instruction: 'work' }, retry, onFailure, timeoutMs };
  });
}
