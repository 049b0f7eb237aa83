import { describe, expect, it } from '@jest/globals';
import { timestampOf, type StepId } from '@taskmaster/contracts';
import fc from 'fast-check';
import { parsePlan } from './plan.js';
import { isOpen, isSettled, isSettledAsPolicyAllows, type Step, type StepSituation } from './step.js';
import {
  allSteps,
  changedSteps,
  NO_STEPS,
  openSteps,
  startableSteps,
  stepOf,
  stepsCount,
  withPlanned,
  withStep,
  type Steps,
} from './steps.js';

const AT = timestampOf(0);
const error = { type: 'agent', message: 'no', retryable: false } as const;
const SITUATIONS: readonly StepSituation[] = [
  { status: 'pending' },
  { status: 'ready', attempt: 1, readyVersion: 1, dueAt: AT },
  { status: 'running', attempt: 1, holder: 'h', leaseMs: 1, startedAt: AT, deadlineAt: AT },
  { status: 'retrying', attempt: 1, retryAt: AT },
  { status: 'succeeded', attempt: 1, settledAt: AT, output: {} },
  { status: 'failed', attempt: 1, settledAt: AT, error },
  { status: 'skipped', settledAt: AT, reason: '' },
  { status: 'cancelled', attempt: 1, settledAt: AT, reason: '' },
];

/** Each step depends on some of those before it; some forgive a failure. */
const plans = fc
  .array(fc.record({ on: fc.array(fc.nat(), { maxLength: 4 }), forgives: fc.boolean() }), { minLength: 1, maxLength: 150 })
  .map((drafts) => {
    const plan = parsePlan({
      steps: drafts.map(({ on, forgives }, i) => ({
        id: `s${String(i)}`,
        kind: 'command.run',
        input: { builtin: 'noop' },
        dependsOn: i === 0 ? [] : on.map((n) => `s${String(n % i)}`),
        onFailure: forgives ? 'continue' : 'fail',
      })),
    });
    if (!plan.ok) throw new Error('a generated plan is valid');
    return plan.value.steps;
  });
const changes = fc.array(fc.tuple(fc.nat(), fc.constantFrom(...SITUATIONS)), { maxLength: 60 });

const changed = (steps: Steps, [n, situation]: readonly [number, StepSituation]): Steps => {
  const all = allSteps(steps);
  const step = all[n % all.length];
  return step === undefined ? steps : withStep(steps, { ...step, situation });
};

const idsOf = (steps: readonly Step[]): readonly StepId[] => steps.map(({ spec }) => spec.id);

describe('the steps of a workflow', () => {
  it('know at any time what looking at all of them would say', () => {
    fc.assert(
      fc.property(plans, changes, (specs, moves) => {
        const steps = moves.reduce(changed, withPlanned(NO_STEPS, specs));
        const all = allSteps(steps);
        const startable = all.filter(
          ({ spec, situation }) =>
            situation.status === 'pending' &&
            spec.dependsOn.every((id) => all.some((other) => other.spec.id === id && isSettledAsPolicyAllows(other))),
        );
        expect(idsOf(startableSteps(steps, all.length))).toEqual(idsOf(startable));
        expect(idsOf(openSteps(steps))).toEqual(idsOf(all.filter(isOpen)));
        expect(steps.settled).toBe(all.filter(isSettled).length);
        expect(steps.active).toBe(all.filter(({ situation: { status } }) => status === 'ready' || status === 'running').length);
        expect(steps.unforgiven).toBe(all.filter((s) => s.situation.status === 'failed' && s.spec.onFailure !== 'continue').length);
        expect(idsOf(all)).toEqual(specs.map(({ id }) => id));
      }),
    );
  });

  it('tell apart exactly what differs between two states, and are what their text says', () => {
    fc.assert(
      fc.property(plans, changes, changes, (specs, first, second) => {
        const before = first.reduce(changed, withPlanned(NO_STEPS, specs));
        const after = second.reduce(changed, before);
        const differing = allSteps(after).filter((step) => stepOf(before, step.spec.id) !== step);
        expect(changedSteps(before, after).map(({ is }) => is)).toEqual(differing);
        expect(JSON.parse(JSON.stringify(after))).toEqual(after);
      }),
    );
  });

  it('share with the state before whatever did not change, however many they are', () => {
    const specs = parsePlan({
      steps: Array.from({ length: 2000 }, (_, i) => ({
        id: `s${String(i)}`,
        kind: 'command.run' as const,
        input: { builtin: 'noop' },
        dependsOn: i === 0 ? [] : [`s${String(i - 1)}`],
      })),
    });
    if (!specs.ok) throw new Error('a chain of 2000 is a plan');
    const before = withPlanned(NO_STEPS, specs.value.steps);
    const after = changed(before, [1000, SITUATIONS[4]!]);
    expect(stepsCount(after)).toBe(2000);
    expect(after.places).toBe(before.places);
    expect(after.dependants).toBe(before.dependants);
    expect(after.chunks.filter((chunk, i) => chunk !== before.chunks[i])).toHaveLength(1);
    expect(idsOf(startableSteps(after, 9))).toEqual(['s0', 's1001']);
  });

  it('may be called like what every object has', () => {
    const specs = parsePlan({
      steps: ['constructor', 'valueof'].map((id) => ({ id, kind: 'command.run' as const, input: { builtin: 'noop' } })),
    });
    expect(specs.ok && idsOf(allSteps(withPlanned(NO_STEPS, specs.value.steps)))).toEqual(['constructor', 'valueof']);
    expect(stepOf(NO_STEPS, 'constructor' as StepId)).toBeUndefined();
  });
});
