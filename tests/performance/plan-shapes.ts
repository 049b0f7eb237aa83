import type { PlanDraft, StepDraft } from '@taskmaster/contracts';

export const SHAPES = ['diamond', 'chain'] as const;
export type Shape = (typeof SHAPES)[number];

const noop = (id: string, ...dependsOn: readonly string[]): StepDraft => ({
  id,
  kind: 'command.run',
  input: { builtin: 'noop' },
  dependsOn,
});

/** `steps` steps that do nothing: one after the other, or a first, all others but one at once, and a last. */
export function planOf(shape: Shape, steps: number): PlanDraft {
  if (shape === 'chain' || steps < 3) {
    return {
      steps: Array.from({ length: steps }, (_, index) => noop(`s${String(index + 1)}`, ...(index === 0 ? [] : [`s${String(index)}`]))),
    };
  }
  const middle = Array.from({ length: steps - 2 }, (_, index) => `m${String(index + 1)}`);
  return { steps: [noop('a'), ...middle.map((id) => noop(id, 'a')), noop('e', ...middle)] };
}
