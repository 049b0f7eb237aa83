import { MARK, type Language } from './language.js';
import { go } from './go.js';
import { javascript } from './javascript.js';
import { python } from './python.js';
import { rust } from './rust.js';
import { shell, unknown } from './shell.js';
import type { Worktree } from './worktree.js';

const LANGUAGES: readonly Language[] = [javascript, go, rust, python, shell, unknown];
/** Marked files that a repair looks at. */
export const OWN_FILES_MAX = 1000;

export interface Edits {
  readonly language: string;
  /** Paths that changed. */
  readonly changed: readonly string[];
}

export function languageOf(worktree: Worktree): Language {
  return LANGUAGES.find((language) => language.detect(worktree)) ?? unknown;
}

/** Writes a step's marked module and test; the same step gives the same bytes. */
export async function writeStep(worktree: Worktree, step: string, healthy: boolean): Promise<Edits> {
  const language = languageOf(worktree);
  const changed: string[] = [];
  for (const file of await language.filesOf(worktree, step, healthy)) {
    if (await worktree.write(file)) changed.push(file.path);
  }
  return { language: language.name, changed };
}

/** Looks through the twin's own marked files and puts right what differs from what a healthy step writes. */
export async function repairOwn(worktree: Worktree): Promise<Edits> {
  const steps = new Set<string>();
  const candidates = worktree.files.filter((file) => file.includes('simulated')).slice(0, OWN_FILES_MAX);
  for (const file of candidates) {
    const step = new RegExp(`${MARK} ([a-z0-9-]{1,48})$`, 'm').exec((await worktree.read(file)) ?? '')?.[1];
    if (step !== undefined) steps.add(step);
  }
  const changed: string[] = [];
  for (const step of [...steps].sort()) changed.push(...(await writeStep(worktree, step, true)).changed);
  return { language: languageOf(worktree).name, changed };
}
