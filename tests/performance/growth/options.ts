import { parseArgs } from 'node:util';

export const USAGE = `usage: npm run bench:growth -- [--events N,N] [--steps N,N] [--rounds N] [--json FILE]

Measures that cost does not grow: appends to logs of different length, and steps of workflows of different length, by turns in one run.

  --events N,N   events that the logs hold already (default 10000,1000000,5000000)
  --steps N,N    steps of a chain (default 20,2000)
  --rounds N     how often each is measured; figures are medians (default 5)
  --json FILE    writes the figures to a file as well`;

export interface GrowthOptions {
  readonly events: readonly number[];
  readonly steps: readonly number[];
  readonly rounds: number;
  readonly json?: string;
}

const EVENTS_MAX = 100_000_000;
const STEPS_MAX = 10_000;
const ROUNDS_MAX = 100;

/** @returns the options, 'help', or a sentence that says what is wrong with the arguments */
export function parseGrowthOptions(args: readonly string[]): GrowthOptions | 'help' | { readonly wrong: string } {
  const text = { type: 'string' } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { events: text, steps: text, rounds: text, json: text, help: { type: 'boolean' } },
    });
    if (values.help === true) return 'help';
    const [rounds] = numbersOf('--rounds', values.rounds ?? '5', ROUNDS_MAX);
    return {
      events: numbersOf('--events', values.events ?? '10000,1000000,5000000', EVENTS_MAX),
      steps: numbersOf('--steps', values.steps ?? '20,2000', STEPS_MAX),
      rounds: rounds ?? 1,
      ...(values.json === undefined ? {} : { json: values.json }),
    };
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}

/** Ascending. */
function numbersOf(option: string, given: string, max: number): readonly number[] {
  const numbers = given === '' ? [] : given.split(',').map(Number);
  if (numbers.some((number) => !Number.isInteger(number) || number < 1 || number > max))
    throw new Error(`${option} takes whole numbers from 1 to ${String(max)}`);
  return numbers.sort((a, b) => a - b);
}
