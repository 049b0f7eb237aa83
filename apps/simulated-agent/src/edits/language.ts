import type { PlannedFile, Worktree } from './worktree.js';

/** A way to write a marked module and a test of it so that a repository's own test command picks the test up. */
export interface Language {
  readonly name: string;
  /** Whether the repository speaks it. Asked in a fixed order; the first yes decides. */
  detect(worktree: Worktree): boolean;
  /** The files of a step. `healthy: false` makes the test fail, which is what the fault `breaks-tests` plants. */
  filesOf(worktree: Worktree, step: string, healthy: boolean): Promise<readonly PlannedFile[]>;
}

/** Stands in the first lines of every file the twin writes; it recognises its own files by it. */
export const MARK = 'SIMULATED change of step';

/** The header of a file, one comment line per entry, without the comment sign. */
export const headerOf = (step: string): readonly string[] => [
  `${MARK} ${step}`,
  'Written by the simulated agent. It does not implement the requirement; it exercises the way from a step to a merge.',
];

export const commented = (sign: string, step: string): string =>
  headerOf(step)
    .map((line) => `${sign} ${line}`)
    .join('\n');

const FINGERPRINT_MODULUS = 65_521;

/** What the generated modules compute in their own language: a polynomial sum of the characters of a text. */
export function fingerprintOf(text: string): number {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % FINGERPRINT_MODULUS;
  return sum;
}

/** What a step's test expects: the right value, or one that no module answers. */
export const expectedOf = (step: string, healthy: boolean): number => (healthy ? fingerprintOf(step) : -1);

/** A step id as an identifier part. */
export const snake = (step: string): string => step.replaceAll('-', '_');

/** A step id as a type or function name part. */
export const pascal = (step: string): string =>
  step
    .split('-')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('');

export const isOwn = (path: string): boolean => /(^|\/)(test[-_])?simulated/.test(path);
