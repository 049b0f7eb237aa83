import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';

/** What a figure was measured on; printed with every result, for figures of different machines do not compare. */
export interface Machine {
  readonly cores: number;
  readonly model: string;
  readonly memoryMiB: number;
  readonly node: string;
  readonly platform: string;
}

export const machineOf = (): Machine => ({
  cores: cpus().length,
  model: cpus()[0]?.model.trim() ?? '',
  memoryMiB: Math.round(totalmem() / 1024 ** 2),
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
});

/** The version a program tells, such as `16.2` of `postgres (PostgreSQL) 16.2`; empty when it tells none. */
export function versionOf(program: string): string {
  try {
    return /\d+(?:\.\d+)+/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))?.[0] ?? '';
  } catch {
    return '';
  }
}
