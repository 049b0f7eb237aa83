import { parseArgs } from 'node:util';

export const USAGE = `usage: npm run bench:hops -- [--concurrent N] [--workflows N] [--json FILE] [--top N]

Measures where the CPU of a workflow of five short steps goes: by process, by group of functions, and by statement of Postgres,
one workflow at a time and N at once, in one run.

  --concurrent N   how many run at once besides one (default 100)
  --workflows N    how many are measured at that concurrency (default 2000); a tenth of them one at a time
  --top N          prints the N functions of each service with the largest self time (default 0)
  --json FILE      writes the figures to a file as well`;

export interface HopsOptions {
  readonly concurrent: number;
  readonly workflows: number;
  readonly top: number;
  readonly json?: string;
}

const NUMBERS = {
  concurrent: { fallback: '100', min: 2, max: 1_000 },
  workflows: { fallback: '2000', min: 10, max: 1_000_000 },
  top: { fallback: '0', min: 0, max: 1_000 },
};

/** @returns the options, 'help', or a sentence that says what is wrong with the arguments */
export function parseHopsOptions(args: readonly string[]): HopsOptions | 'help' | { readonly wrong: string } {
  const text = { type: 'string' } as const;
  const options = { concurrent: text, workflows: text, top: text, json: text, help: { type: 'boolean' } } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (values.help === true) return 'help';
    const counts = Object.entries(NUMBERS).map(([name, { fallback, min, max }]) => {
      const value = Number(values[name as keyof typeof NUMBERS] ?? fallback);
      if (!Number.isInteger(value) || value < min || value > max)
        throw new Error(`--${name} must be a whole number from ${String(min)} to ${String(max)}`);
      return [name, value];
    });
    const numbers = Object.fromEntries(counts) as Record<keyof typeof NUMBERS, number>;
    return { ...numbers, ...(values.json === undefined ? {} : { json: values.json }) };
  } catch (error) {
    return { wrong: (error as Error).message };
  }
}
