import { findNats, findPostgres } from '@taskmaster/provision';
import { versionOf } from '../platform/machine.js';
import { runHeader, type RunHeader } from '../platform/run-header.js';

/** What every result file of a measurement begins with. */
export interface ResultHeader extends RunHeader {
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
    ...runHeader(given.at),
    versions: { Node: process.version.slice(1), Postgres: versionOf(postgres), 'nats-server': nats.version, ...given.versions },
    quick: given.quick,
  };
}
