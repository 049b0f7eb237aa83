import { execFileSync } from 'node:child_process';
import { findNats, findPostgres } from '@taskmaster/provision';
import { machineOf, versionOf, type Machine } from './machine.js';

/** What every result file begins with. */
export interface ResultHeader {
  /** When the run began, ISO 8601. */
  readonly at: string;
  /** Of the code that was measured; ends in `-dirty` when it was changed since. */
  readonly revision: string;
  readonly machine: Machine;
  /** Of everything that was measured, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Short phases: shows that it works and little more. */
  readonly quick: boolean;
}

export async function resultHeader(given: {
  readonly at: Date;
  readonly quick: boolean;
  readonly versions?: Readonly<Record<string, string>>;
}): Promise<ResultHeader> {
  const { postgres } = await findPostgres();
  const nats = await findNats({});
  return {
    at: given.at.toISOString(),
    revision: revision(),
    machine: machineOf(),
    versions: { Node: process.version.slice(1), Postgres: versionOf(postgres), 'nats-server': nats.version, ...given.versions },
    quick: given.quick,
  };
}

/** Of this checkout; empty where there is none. */
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
