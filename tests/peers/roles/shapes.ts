import type { Shape } from '../../performance/plan-shapes.js';

type All = (steps: Promise<unknown>[]) => Promise<unknown>;

/** The work as code: `steps` steps one after the other, or a first, all others but one at once, and a last. */
export async function runShape(
  { shape, steps }: { readonly shape: Shape; readonly steps: number },
  step: (name: string) => Promise<unknown>,
  all: All = (running) => Promise.all(running),
): Promise<void> {
  if (shape === 'chain' || steps < 3) {
    for (let i = 1; i <= steps; i += 1) await step(`s${String(i)}`);
    return;
  }
  await step('a');
  await all(Array.from({ length: steps - 2 }, (_, i) => step(`m${String(i + 1)}`)));
  await step('e');
}
