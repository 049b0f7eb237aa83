import { describe, expect, it } from '@jest/globals';
import { PLAN_STEPS_MAX, type StepDraft } from '@taskmaster/contracts';
import { parsePlan } from './plan.js';
import { diamond, noopStep } from './story.fixture.js';

const fault = (steps: readonly StepDraft[]): unknown => {
  const plan = parsePlan({ steps });
  return plan.ok ? undefined : plan.error;
};

describe('DependencyResolver: parsing a plan', () => {
  it('orders steps in waves and names the critical path', () => {
    const plan = parsePlan(diamond);
    expect(plan.ok && plan.value.waves).toEqual([['a'], ['b', 'c', 'd'], ['e']]);
    expect(plan.ok && plan.value.criticalPath).toEqual(['a', 'b', 'e']);
  });

  it('keeps the order of the draft among equals', () => {
    const plan = parsePlan({ steps: [noopStep('z'), noopStep('a'), noopStep('m')] });
    expect(plan.ok && plan.value.steps.map((step) => step.id)).toEqual(['z', 'a', 'm']);
  });

  it('refuses an empty plan and one with too many steps', () => {
    expect(fault([])).toEqual({ kind: 'plan-empty' });
    expect(fault(Array.from({ length: PLAN_STEPS_MAX + 1 }, (_, i) => noopStep(`s${String(i)}`)))).toEqual({
      kind: 'plan-too-many-steps',
      count: PLAN_STEPS_MAX + 1,
    });
  });

  it('names a step that is there twice and a dependency that is not there', () => {
    expect(fault([noopStep('a'), noopStep('a')])).toEqual({ kind: 'plan-duplicate-step', stepId: 'a' });
    expect(fault([noopStep('a', 'ghost')])).toEqual({ kind: 'plan-unknown-dependency', stepId: 'a', dependency: 'ghost' });
  });

  it('names the steps of a cycle, and only those', () => {
    const found = fault([noopStep('start'), noopStep('a', 'c', 'start'), noopStep('b', 'a'), noopStep('c', 'b'), noopStep('after', 'c')]);
    expect(found).toEqual({ kind: 'plan-cycle', stepIds: ['b', 'c', 'a', 'b'] });
    expect(fault([noopStep('self', 'self')])).toEqual({ kind: 'plan-cycle', stepIds: ['self', 'self'] });
  });

  it.each([
    ['an id with capitals', { ...noopStep('a'), id: 'Bad' }],
    ['an id of the platform', { ...noopStep('a'), id: 'tm-merge-1' }],
    ['a kind that belongs to stages', { ...noopStep('a'), kind: 'change.merge' }],
    ['an unknown kind', { ...noopStep('a'), kind: 'magic' }],
    ['a command that is not a list', { ...noopStep('a'), input: { command: 'rm -rf' } }],
    ['an agent step without an instruction', { id: 'a', kind: 'agent.run' }],
    ['an input that is too large', { ...noopStep('a'), input: { builtin: 'noop', filler: 'x'.repeat(20_000) } }],
    ['a timeout of nothing', { ...noopStep('a'), timeoutMs: 0 }],
  ])('refuses %s and says why', (_what, step) => {
    expect(fault([step as StepDraft])).toMatchObject({ kind: 'plan-invalid-step', reason: expect.any(String) });
  });
});
