import { parseArgs } from 'node:util';
import { ENGINE_NAMES, type EngineName } from './engine.js';

export const PART_NAMES = ['rates', 'recovery', 'start'] as const;
export type PartName = (typeof PART_NAMES)[number];

export const USAGE = `usage: npm run bench:peers -- [--rounds N] [--quick] [--only A,B] [--parts A,B] [--all] [--gate] [--json-dir DIR]

Measures TaskMaster and its peers on the same work, by turns, and judges the targets. The peers are installed into a cache on first use.

  --rounds N       how often everything is measured; figures are medians (default 3, quick 1)
  --quick          short phases: shows that it works, its figures mean little
  --only A,B       some of ${ENGINE_NAMES.join(', ')}
  --parts A,B      some of rates (what a workflow costs), recovery (after kill -9), start (cold start); default all
  --all            also measures chains of 1 and of 20 steps, 100 at once
  --gate           exits with 1 when a gate is missed or cannot be judged
  --json-dir DIR   where the results are written (default docs/results/performance; results/performance, which git ignores, when the
                   run is quick or leaves an engine out)`;

export interface PeersOptions {
  readonly rounds: number;
  readonly quick: boolean;
  readonly all: boolean;
  readonly gate: boolean;
  readonly only: readonly EngineName[];
  readonly parts: readonly PartName[];
  readonly directory: string;
}

const ROUNDS_MAX = 20;

/** @returns the options, 'help', or a sentence that says what is wrong with the arguments */
export function parsePeersOptions(args: readonly string[]): PeersOptions | 'help' | { readonly wrong: string } {
  const [text, flag] = [{ type: 'string' } as const, { type: 'boolean' } as const];
  const options = { rounds: text, only: text, parts: text, 'json-dir': text, quick: flag, all: flag, gate: flag, help: flag } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (values.help === true) return 'help';
    const { quick = false, all = false, gate = false } = values;
    const only = someOf(ENGINE_NAMES, values.only, '--only');
    const isWhole = !quick && only.length === ENGINE_NAMES.length;
    return {
      rounds: roundsOf(values.rounds, quick ? 1 : 3),
      quick,
      all,
      gate,
      only,
      parts: someOf(PART_NAMES, values.parts, '--parts'),
      directory: values['json-dir'] ?? (isWhole ? 'docs/results/performance' : 'results/performance'),
    };
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}

function roundsOf(given: string | undefined, otherwise: number): number {
  const rounds = Number(given ?? otherwise);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX)
    throw new Error(`--rounds must be a whole number from 1 to ${String(ROUNDS_MAX)}`);
  return rounds;
}

function someOf<Name extends string>(known: readonly Name[], given: string | undefined, option: string): readonly Name[] {
  if (given === undefined) return known;
  const wanted = given.split(',').map((name) => name.trim());
  const unknown = wanted.find((name) => !known.some((each) => each === name));
  if (unknown !== undefined) throw new Error(`${option} knows ${known.join(', ')}, not ${unknown}`);
  return known.filter((name) => wanted.includes(name));
}
