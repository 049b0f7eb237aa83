import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';

/** When, with which version and on what something ran, as its result file keeps it. */
export interface RunHeader {
  readonly at: string;
  readonly commit: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly node: string };
}

export const runHeader = (): RunHeader => ({ at: new Date().toISOString(), commit: commitOf(), machine: machineOf() });

const machineOf = (): RunHeader['machine'] => ({
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
