import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isRoot } from '@taskmaster/provision';
import { PlatformFault } from './platform-fault.js';
import type { ProgramName } from './services.js';

type Environment = Readonly<Record<string, string | undefined>>;

export interface PlatformOptions {
  /** The environment of the command; each service gets only its own variables from it. */
  readonly env: Environment;
  /** Where everything is kept; default: `TASKMASTER_DATA`, else the user's data directory. */
  readonly data?: string | undefined;
  /** The gateway's port; default: `GATEWAY_PORT`, else 3000 if it is free, else any free one. A given port that is taken is a fault. */
  readonly port?: number | undefined;
  /** `auto`: only when no real agent is configured. */
  readonly simulatedAgent?: 'auto' | 'always' | 'never' | undefined;
  /** Every service as a process of its own, as in a cluster; else state-service and agent-coordinator are one, the engine. */
  readonly apart?: boolean | undefined;
  /** How many processes of a program to run; default 1. Further gateways listen on free ports; the simulated agent is always one. */
  readonly replicas?: Partial<Readonly<Record<ProgramName, number>>> | undefined;
  /** Further variables of a program; they win. */
  readonly variables?: Partial<Readonly<Record<ProgramName, Readonly<Record<string, string>>>>> | undefined;
  /** Restart services when their compiled code changes. */
  readonly watch?: boolean | undefined;
  /** Told what happens, in words for people. */
  readonly onProgress?: ((message: string) => void) | undefined;
  /** Aborted: whatever was started is stopped, also in the middle of the start. */
  readonly signal?: AbortSignal | undefined;
  /** The directory that holds `apps/<service>/dist`; default: this checkout. */
  readonly home?: string | undefined;
}

/** The data directory when none is given: a fixed place per user, so that a second start goes on where the first stopped. */
export function dataDirectory(given: string | undefined, env: Environment): string {
  const chosen = given ?? env['TASKMASTER_DATA'];
  if (chosen) return resolve(chosen);
  // Root's home is private, and Postgres cannot run as root: its user has to reach the data.
  if (isRoot()) return '/var/lib/taskmaster/data';
  return join(env['XDG_DATA_HOME'] ? resolve(env['XDG_DATA_HOME']) : join(homedir(), '.local', 'share'), 'taskmaster');
}

/** This file lies in apps/cli/{src,dist}/platform. */
export const checkout = (): string => fileURLToPath(new URL('../../../../', import.meta.url));

/** The port that the environment asks for. @throws PlatformFault */
export function portOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new PlatformFault('port-invalid', 'GATEWAY_PORT is not a port.', 'set it to a number from 0 to 65535; 0 takes a free one.');
}
