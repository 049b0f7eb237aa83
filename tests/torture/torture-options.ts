import { parseArgs } from 'node:util';
import { CLUSTER_FAULT_KINDS, FAULT_KINDS, type FaultKind } from './schedule.js';

export const USAGE = `usage: npm run torture -- [--seconds N] [--seed S | --seeds A-B] [--json FILE | --json-dir DIR] [--only KINDS] [--nats-nodes N]
                              [--together] [--keep]

  --seconds N      how long faults are done, in each run (default 60)
  --seed S         which faults (default 1): the same seed does the same things at the same times
  --seeds A-B      a run for each of these seeds, one after the other
  --json FILE      writes the result of the run to a file
  --json-dir DIR   writes the result of each run to DIR/torture-seed-S.json (torture-cluster-seed-S.json with several NATS servers, torture-together-…)
  --only KINDS     only these, separated by commas: ${FAULT_KINDS.join(', ')};
                   with several NATS servers also nats-partition
  --nats-nodes N   a cluster of so many NATS servers, each of which may be killed, paused, robbed or cut off
                   from the others (default 1)
  --together       state-service and agent-coordinator as one process, as \`task-master up\` runs them; else each by itself
  --keep           keeps the data of a run that found nothing, too

Starts a platform of its own with two processes of every service, Postgres, NATS and the simulated agent, lets clients hand in workflows,
and kills, pauses and robs what runs. Then it heals everything, waits until every accepted workflow has ended, and checks the history.
Exit code 0 when nothing was found, 1 otherwise; the data of such a run is kept, and named.`;

export interface TortureCommand {
  readonly seconds: number;
  readonly seeds: readonly number[];
  readonly kinds: readonly FaultKind[];
  readonly json: string | undefined;
  readonly jsonDir: string | undefined;
  readonly nodes: number;
  readonly together: boolean;
  readonly keep: boolean;
}

const SEEDS_MAX = 1_000;

/** @returns the command, `help`, or a sentence that says what is wrong with the arguments */
export function parseTortureOptions(args: readonly string[]): TortureCommand | 'help' | { readonly wrong: string } {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        seconds: { ...text, default: '60' },
        seed: { ...text, default: '1' },
        seeds: text,
        json: text,
        'json-dir': text,
        only: text,
        'nats-nodes': { ...text, default: '1' },
        together: { ...flag, default: false },
        keep: { ...flag, default: false },
        help: flag,
      },
    });
    if (values.help === true) return 'help';
    const seeds = seedsOf(values.seeds ?? values.seed);
    const nodes = wholeNumber('nats-nodes', values['nats-nodes'], 5);
    if (values.json !== undefined && seeds.length > 1) throw new Error('--json takes the result of one run; use --json-dir');
    return {
      seconds: wholeNumber('seconds', values.seconds, 86_400),
      seeds,
      kinds: kindsOf(values.only, nodes === 1 ? FAULT_KINDS : CLUSTER_FAULT_KINDS),
      nodes,
      together: values.together,
      keep: values.keep,
      json: values.json,
      jsonDir: values['json-dir'],
    };
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}

function wholeNumber(name: string, given: string, max: number): number {
  const value = Number(given);
  if (!/^\d+$/.test(given) || value < 1 || value > max) throw new Error(`--${name} must be a whole number from 1 to ${String(max)}`);
  return value;
}

/** `7`, or `1-10`. */
function seedsOf(given: string): readonly number[] {
  const [, first = '', last = first] = /^(\d+)(?:-(\d+))?$/.exec(given) ?? [];
  const count = Number(last) - Number(first) + 1;
  if (first === '' || count < 1 || count > SEEDS_MAX || !Number.isSafeInteger(Number(last)))
    throw new Error(`--seeds must be a number or a range such as 1-10, of at most ${String(SEEDS_MAX)} seeds`);
  return Array.from({ length: count }, (_, index) => Number(first) + index);
}

function kindsOf(given: string | undefined, possible: readonly FaultKind[]): readonly FaultKind[] {
  if (given === undefined) return possible;
  return given.split(',').map((name) => {
    const kind = possible.find((known) => known === name.trim());
    if (kind === undefined) throw new Error(`--only takes ${possible.join(', ')}`);
    return kind;
  });
}
