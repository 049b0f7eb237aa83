import { parseArgs } from 'node:util';
import { SHAPES, type Shape } from './plan-shapes.js';

export const USAGE = `usage: npm run test:performance -- --workflows N --concurrent N [--steps K] [--shape diamond|chain] [--json FILE]

  --workflows N    how many workflows are measured (default 2000)
  --concurrent N   how many run at once (default 100)
  --steps K        steps of each (default 5)
  --shape S        diamond: a, then all others but one at once, then e (default); chain: one after the other
  --idle SECONDS   measures what a platform costs that nobody uses, instead; all other numbers are ignored
  --json FILE      writes the figures to a file as well`;

export interface PerformanceOptions {
  readonly workflows: number;
  readonly concurrent: number;
  readonly steps: number;
  readonly shape: Shape;
  /** Seconds to leave the platform alone, instead of any load. */
  readonly idle?: number;
  readonly json?: string;
}

const NUMBERS = {
  workflows: { fallback: '2000', max: 1_000_000 },
  concurrent: { fallback: '100', max: 1_000 },
  steps: { fallback: '5', max: 200 },
  idle: { fallback: '20', max: 3_600 },
};

/** @returns the options, or a sentence that says what is wrong with the arguments */
export function parseOptions(args: readonly string[]): PerformanceOptions | string {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { workflows: text, concurrent: text, steps: text, shape: text, idle: text, json: text },
    });
    const counts = Object.entries(NUMBERS).map(([name, { fallback, max }]) => {
      const value = Number(values[name as keyof typeof NUMBERS] ?? fallback);
      if (!Number.isInteger(value) || value < 1 || value > max)
        throw new Error(`--${name} must be a whole number from 1 to ${String(max)}`);
      return [name, value];
    });
    const shape = SHAPES.find((known) => known === (values.shape ?? 'diamond'));
    if (shape === undefined) throw new Error(`--shape must be one of ${SHAPES.join(', ')}`);
    const { workflows, concurrent, steps, idle } = Object.fromEntries(counts) as Record<keyof typeof NUMBERS, number>;
    return {
      workflows,
      concurrent,
      steps,
      shape,
      ...(values.idle === undefined ? {} : { idle }),
      ...(values.json === undefined ? {} : { json: values.json }),
    };
  } catch (error) {
    return (error as Error).message;
  }
}
