import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import type { TortureReport } from './torture-run.js';

/** A run as its result file keeps it: the report, and on what it ran. */
export interface TortureResult extends TortureReport {
  readonly test: 'torture';
  readonly at: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly node: string };
  readonly commit: string;
}

export const resultOf = (report: TortureReport): TortureResult => ({
  test: 'torture',
  at: new Date().toISOString(),
  commit: commitOf(),
  machine: machineOf(),
  ...report,
});

const machineOf = (): TortureResult['machine'] => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 1024 ** 3),
  node: process.versions.node,
});

/** Which version ran, with a mark when files differ from it. */
function commitOf(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}
