import { execFileSync } from 'node:child_process';
import { machineOf, type Machine } from './machine.js';

/** When, with which version and on what something ran, as its result file keeps it. */
export interface RunHeader {
  /** When the run began, ISO 8601. */
  readonly at: string;
  /** Of the code that ran; ends in `-dirty` when it was changed since, and is empty where there is no checkout. */
  readonly revision: string;
  readonly machine: Machine;
}

export const runHeader = (at = new Date()): RunHeader => ({ at: at.toISOString(), revision: revision(), machine: machineOf() });

function revision(): string {
  const git = (...args: readonly string[]): string =>
    execFileSync('git', [...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', 'apps', 'libs', 'tests');
    return `${git('rev-parse', '--short=12', 'HEAD')}${changed === '' ? '' : '-dirty'}`;
  } catch {
    return '';
  }
}
