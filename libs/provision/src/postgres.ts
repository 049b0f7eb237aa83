import { readdir, realpath, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { spawnDetached } from './detached.js';
import { ProvisionFault, diskFull, speaksOfFullDisk, speaksOfTakenPort, tailOf } from './faults.js';
import { readIfPresent, writeWhole } from './places.js';
import { pollUntil } from './poll.js';
import { freePort, isPortFree } from './ports.js';
import { findPostgres, type PostgresBinaries } from './postgres-binaries.js';
import { DATABASE_NAME, SERVER_ENV, SUPERUSER_NAME, ensureCluster, type PostgresCluster } from './postgres-cluster.js';
import {
  commandLineOf,
  identify,
  isAlive,
  isSameProcess,
  isZombie,
  stopProcess,
  workingDirectoryOf,
  type ProcessIdentity,
} from './processes.js';

export interface PostgresOptions {
  /** Holds the password, the log and (where its user can reach it) the data. Made on first use, mode 0700 or 0711. */
  readonly directory: string;
  /** Listen on exactly this port, or fail; default: the port of the last start if it is free, else any free one. */
  readonly port?: number;
  /** Server settings that replace ours. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

export interface PostgresServer {
  /** `postgres://user:password@127.0.0.1:port/taskmaster`; the superuser of this cluster. A secret. */
  readonly url: string;
  readonly port: number;
  readonly process: ProcessIdentity;
  /** The data directory, which may lie elsewhere than `directory` (see `ensureCluster`). */
  readonly data: string;
  readonly logFile: string;
  /** Whether it ran already and was taken over. */
  readonly adopted: boolean;
  /** Settles when it ends; undefined for one that was taken over, which is no child of ours. */
  readonly ended: Promise<void> | undefined;
  /** `fast` ends sessions and writes a checkpoint; `immediate` is a crash, for tests. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
}

const START_DEADLINE_MS = 60_000;
/** After kill -9 of the postmaster its children keep the shared memory until they notice, within seconds. */
const TRANSIENT = /lock file|shared memory block|still in use|is starting up/i;
const TRANSIENT_MS_MAX = 30_000;

/** Durable, on loopback only, sized for one machine; measured in performance.md. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  password_encryption: 'scram-sha-256',
  max_connections: '200',
  shared_buffers: '64MB',
  max_wal_size: '4GB',
  checkpoint_timeout: '15min',
  max_parallel_workers_per_gather: '0',
  io_method: 'sync',
  jit: 'off',
  log_min_messages: 'warning',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
};

/** Starts the Postgres of that directory, or takes over the one that runs on it. @throws ProvisionFault */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const directory = resolve(options.directory);
  const binaries = await findPostgres();
  options.signal?.throwIfAborted();
  const cluster = await ensureCluster(directory, binaries);
  const giveUpAt = performance.now() + TRANSIENT_MS_MAX;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 500)) {
    options.signal?.throwIfAborted();
    const running = await findRunning(cluster.data);
    if (running !== undefined) return describe(directory, cluster, running, true);
    await discardLockOfZombie(cluster.data);
    const outcome = await launch(directory, cluster, binaries, options);
    if (outcome.kind === 'running') return describe(directory, cluster, outcome.running, false);
    if (!outcome.retry || performance.now() > giveUpAt) throw explainFailure(directory, cluster, outcome.log, options.port);
    await pause(pauseMs);
  }
}

interface RunningPostmaster {
  readonly identity: ProcessIdentity;
  readonly port: number;
  readonly ended?: Promise<void>;
}

/** The live postmaster of that data directory, once it accepts connections; undefined when there is none. */
async function findRunning(data: string): Promise<RunningPostmaster | undefined> {
  let found: RunningPostmaster | undefined;
  await pollUntil(
    async () => {
      const file = await readPidFile(data);
      const identity = file && (await isPostmasterOf(file.pid, data)) ? await identify(file.pid) : undefined;
      found = file && identity ? { identity, port: file.port } : undefined;
      return found === undefined || file?.status === 'ready';
    },
    { deadlineMs: START_DEADLINE_MS },
  );
  return found;
}

interface PidFile {
  readonly pid: number;
  readonly port: number;
  readonly status: string;
}

async function readPidFile(data: string): Promise<PidFile | undefined> {
  const lines = (await readIfPresent(join(data, 'postmaster.pid')))?.split('\n');
  const pid = Number(lines?.[0]);
  return lines && Number.isSafeInteger(pid) && pid > 1 ? { pid, port: Number(lines[3]), status: (lines[7] ?? '').trim() } : undefined;
}

/**
 * A killed postmaster whose parent died too stays a zombie until process 1 reaps it, which in many containers is never, and Postgres takes
 * it for alive. Its lock may go once none of its children works in that directory any more; they are what the lock protects.
 */
async function discardLockOfZombie(data: string): Promise<void> {
  const file = await readPidFile(data);
  if (file === undefined || !(await isZombie(file.pid))) return;
  const ofThisData = await realpath(data);
  for (const name of await readdir('/proc')) {
    if (/^\d+$/.test(name) && (await workingDirectoryOf(Number(name))) === ofThisData && (await isAlive(Number(name)))) return;
  }
  await rm(join(data, 'postmaster.pid'), { force: true });
}

/** A pid file can outlive its process, and the pid can belong to anybody by then. */
async function isPostmasterOf(pid: number, data: string): Promise<boolean> {
  if ((await identify(pid)) === undefined) return false;
  const command = await commandLineOf(pid);
  if (!/postgres/.test(command)) return false;
  const directory = await workingDirectoryOf(pid);
  if (directory !== undefined) return directory === (await realpath(data));
  return command.includes(data);
}

type LaunchOutcome =
  | { readonly kind: 'running'; readonly running: RunningPostmaster }
  | { readonly kind: 'ended'; readonly log: string; readonly retry: boolean };

async function launch(
  directory: string,
  cluster: PostgresCluster,
  binaries: PostgresBinaries,
  options: PostgresOptions,
): Promise<LaunchOutcome> {
  const port = options.port ?? (await choosePort(directory));
  const settings = { ...SETTINGS, ...options.settings, port: String(port) };
  const server = await spawnDetached({
    program: binaries.postgres,
    args: ['-D', cluster.data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    env: SERVER_ENV,
    workingDirectory: '/',
    logFile: logFileOf(directory),
    user: binaries.user,
  });
  const isSettled = async (): Promise<boolean> => server.endedWith() !== undefined || (await isReady(cluster.data, server.pid));
  await pollUntil(isSettled, { deadlineMs: START_DEADLINE_MS });
  const identity = await server.identity();
  if (identity !== undefined && options.signal?.aborted !== true && (await isReady(cluster.data, identity.pid))) {
    await writeWhole(portFileOf(directory), `${String(port)}\n`);
    return { kind: 'running', running: { identity, port, ended: server.ended } };
  }
  if (identity !== undefined) await stopPostmaster(identity, 'fast');
  options.signal?.throwIfAborted();
  const log = await server.report();
  return { kind: 'ended', log, retry: TRANSIENT.test(log) || (speaksOfTakenPort(log) && options.port === undefined) };
}

async function isReady(data: string, pid: number | undefined): Promise<boolean> {
  const file = await readPidFile(data);
  return file !== undefined && file.pid === pid && file.status === 'ready';
}

async function choosePort(directory: string): Promise<number> {
  const last = Number(await readIfPresent(portFileOf(directory)));
  return Number.isSafeInteger(last) && last > 0 && (await isPortFree(last)) ? last : freePort();
}

const portFileOf = (directory: string): string => join(directory, 'port');
const logFileOf = (directory: string): string => join(directory, 'postgres.log');

function explainFailure(directory: string, cluster: PostgresCluster, log: string, port: number | undefined): ProvisionFault {
  if (speaksOfFullDisk(log)) return diskFull(cluster.data);
  if (speaksOfTakenPort(log) && port !== undefined) {
    return new ProvisionFault(
      'port-taken',
      `Port ${String(port)} is taken, so Postgres cannot listen on it.`,
      'free it, or choose another port.',
    );
  }
  return new ProvisionFault(
    'not-startable',
    `Postgres did not start:\n${tailOf(log)}`,
    `see ${logFileOf(directory)}; or set DATABASE_URL to a Postgres that you run yourself; or choose another --data DIR.`,
  );
}

const addressFor = (password: string, port: number): string =>
  `postgres://${SUPERUSER_NAME}:${password}@127.0.0.1:${String(port)}/${DATABASE_NAME}`;

function describe(directory: string, cluster: PostgresCluster, running: RunningPostmaster, adopted: boolean): PostgresServer {
  const { identity, port, ended } = running;
  return {
    url: addressFor(cluster.password, port),
    port,
    process: identity,
    data: cluster.data,
    logFile: logFileOf(directory),
    adopted,
    ended,
    stop: (mode = 'fast') => stopPostmaster(identity, mode),
  };
}

const FAST_STOP_MS = 30_000;
const IMMEDIATE_STOP_MS = 10_000;

async function stopPostmaster(identity: ProcessIdentity, mode: 'fast' | 'immediate'): Promise<void> {
  const immediate = { signal: 'SIGQUIT', waitMs: IMMEDIATE_STOP_MS } as const;
  const steps = mode === 'immediate' ? [immediate] : [{ signal: 'SIGINT', waitMs: FAST_STOP_MS } as const, immediate];
  if (await stopProcess(identity, steps)) return;
  throw new ProvisionFault(
    'not-stoppable',
    `Postgres (pid ${String(identity.pid)}) does not stop.`,
    'look at its log, then stop it by its pid.',
  );
}

const clusterOf = async (directory: string): Promise<string> =>
  join((await readIfPresent(join(directory, 'cluster-is-in')))?.trim() ?? directory, 'cluster');

/** The address of the Postgres that runs on that directory, as its superuser; undefined when none does. Starts and changes nothing. */
export async function addressOfPostgres(directory: string): Promise<string | undefined> {
  const file = await readPidFile(await clusterOf(resolve(directory)));
  const password = (await readIfPresent(join(resolve(directory), 'password')))?.trim();
  if (file?.status !== 'ready' || password === undefined || !(await isPostmasterOf(file.pid, await clusterOf(resolve(directory)))))
    return undefined;
  return addressFor(password, file.port);
}

/** Stops the Postgres of that directory if one is left from an earlier run. @returns whether there was one */
export async function stopPostgres(directory: string): Promise<boolean> {
  const cluster = await clusterOf(resolve(directory));
  const file = await readPidFile(cluster);
  if (file === undefined || !(await isPostmasterOf(file.pid, cluster))) return false;
  const identity = await identify(file.pid);
  if (identity === undefined || !(await isSameProcess(identity))) return false;
  await stopPostmaster(identity, 'fast');
  return true;
}

/** Removes a stopped cluster with everything in its directory. */
export async function removePostgres(directory: string): Promise<void> {
  await stopPostgres(directory);
  const elsewhere = (await readIfPresent(join(resolve(directory), 'cluster-is-in')))?.trim();
  if (elsewhere) await rm(elsewhere, { recursive: true, force: true });
  await rm(resolve(directory), { recursive: true, force: true });
}
