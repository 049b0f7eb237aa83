import { createHmac } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { spawnDetached } from './detached.js';
import { ProvisionFault, diskFull, explainBrokenPlace, speaksOfFullDisk, speaksOfTakenPort, tailOf } from './faults.js';
import { findNats, type NatsBinary } from './nats-binary.js';
import { clusterConfiguration, type ClusterConfiguration, type NatsNode } from './nats-cluster.js';
import { ensureOwnDirectory, ensureSecret, readIfPresent, writeWhole } from './places.js';
import { pollUntil } from './poll.js';
import { isPortFree } from './ports.js';
import { commandLineOf, identify, stopProcess, type ProcessIdentity } from './processes.js';

/** A user of the server beside its administrator, and what it may do; anything else is refused. */
export interface NatsUser {
  readonly name: string;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export interface NatsOptions {
  /** Holds the configuration, the log and JetStream's store. Made on first use, mode 0700. */
  readonly directory: string;
  /** Listen on exactly this port, or fail; default: the port of the last start if it is free, else any free one. */
  readonly port?: number;
  /** Users with limited rights; a server that runs with others is started again. */
  readonly users?: readonly NatsUser[];
  /** Bytes that JetStream may keep on disk. */
  readonly storeBytesMax?: number;
  /** Makes it a node of a cluster; all nodes need the same password file. */
  readonly cluster?: NatsNode | undefined;
  readonly onProgress?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface NatsServer {
  /** `nats://user:password@127.0.0.1:port`, as the user who may do everything. A secret. */
  readonly url: string;
  /** The same for a user with limited rights. A secret. */
  urlOf(user: string): string;
  readonly port: number;
  readonly process: ProcessIdentity;
  readonly logFile: string;
  /** The directory of JetStream's files. */
  readonly store: string;
  /** Whether it ran already and was taken over. */
  readonly adopted: boolean;
  /** Settles when it ends; undefined for one that was taken over, which is no child of ours. */
  readonly ended: Promise<void> | undefined;
  stop(): Promise<void>;
}

export const BROKER_USER = 'taskmaster';
const STORE_BYTES_MAX = 8 * 1024 ** 3;
const START_DEADLINE_MS = 30_000;
/**
 * One machine's messages need a fraction of one processor. With more of them the server hands every message from thread to thread, and
 * each hand-over wakes one, which costs CPU and time.
 */
const SERVER_ENV = { PATH: '/usr/bin:/bin', GOMAXPROCS: '1' } as const;

const configFileOf = (directory: string): string => join(directory, 'nats-server.conf');
const pidFileOf = (directory: string): string => join(directory, 'nats-server.pid');
const logFileOf = (directory: string): string => join(directory, 'nats-server.log');
const portFileOf = (directory: string): string => join(directory, 'port');
const storeOf = (directory: string): string => join(directory, 'jetstream');

/** Starts the nats-server of that directory, or takes over the one that runs on it. @throws ProvisionFault */
export async function startNats(options: NatsOptions): Promise<NatsServer> {
  const directory = resolve(options.directory);
  try {
    await ensureOwnDirectory(directory, 0o700);
    const password = await ensureSecret(join(directory, 'password'));
    const running = await findRunning(directory);
    if (running !== undefined && (await hasRights(directory, rightsOf(password, options.users))))
      return describe(directory, password, running, true);
    if (running !== undefined) await stopServer(running.identity);
    const binary = await findNats({ onProgress: options.onProgress, signal: options.signal });
    return describe(directory, password, await launch(directory, password, binary, options), false);
  } catch (error) {
    throw explainBrokenPlace(directory, error);
  }
}

interface RunningNats {
  readonly identity: ProcessIdentity;
  readonly port: number;
  readonly ended?: Promise<void>;
}

/** The live server of that directory: its pid file, its command line and its ports file must agree. */
async function findRunning(directory: string): Promise<RunningNats | undefined> {
  const identity = await processOf(directory);
  if (identity === undefined) return undefined;
  let port: number | undefined;
  const settled = await pollUntil(
    async () => {
      port = await readPort(directory, identity.pid);
      return port !== undefined || (await identify(identity.pid))?.startedAt !== identity.startedAt;
    },
    { deadlineMs: START_DEADLINE_MS },
  );
  if (settled) return port === undefined ? undefined : { identity, port };
  await stopServer(identity);
  return undefined;
}

/** A pid file can outlive its process, and the pid can belong to anybody by then; our configuration's path is on its command line. */
async function processOf(directory: string): Promise<ProcessIdentity | undefined> {
  const pid = Number((await readIfPresent(pidFileOf(directory)))?.trim());
  const identity = Number.isSafeInteger(pid) && pid > 1 ? await identify(pid) : undefined;
  if (identity === undefined) return undefined;
  const command = await commandLineOf(pid);
  return command.includes('nats-server') && command.includes(configFileOf(directory)) ? identity : undefined;
}

async function readPort(directory: string, pid: number): Promise<number | undefined> {
  const name = (await readdir(directory)).find((entry) => entry.endsWith(`_${String(pid)}.ports`));
  const text = name === undefined ? undefined : await readIfPresent(join(directory, name));
  if (!text) return undefined;
  try {
    const { nats } = JSON.parse(text) as { readonly nats?: readonly string[] };
    return nats?.[0] === undefined ? undefined : Number(new URL(nats[0]).port);
  } catch {
    return undefined;
  }
}

async function launch(directory: string, password: string, binary: NatsBinary, options: NatsOptions): Promise<RunningNats> {
  const port = options.port ?? (await choosePort(directory));
  for (const name of await readdir(directory)) if (name.endsWith('.ports')) await rm(join(directory, name), { force: true });
  await writeWhole(
    configFileOf(directory),
    configuration(
      directory,
      rightsOf(password, options.users),
      { ...options, port },
      clusterConfiguration({ user: BROKER_USER, password }, options.cluster, binary),
    ),
  );
  const server = await spawnDetached({
    program: binary.path,
    args: ['-c', configFileOf(directory)],
    env: SERVER_ENV,
    workingDirectory: directory,
    logFile: logFileOf(directory),
  });
  let listening: number | undefined;
  const isSettled = async (): Promise<boolean> => {
    listening = server.pid === undefined ? undefined : await readPort(directory, server.pid);
    return server.endedWith() !== undefined || listening !== undefined;
  };
  await pollUntil(isSettled, { deadlineMs: START_DEADLINE_MS });
  const identity = await server.identity();
  if (identity !== undefined && listening !== undefined && options.signal?.aborted !== true) {
    await writeWhole(portFileOf(directory), `${String(listening)}\n`);
    return { identity, port: listening, ended: server.ended };
  }
  if (identity !== undefined) await stopServer(identity);
  options.signal?.throwIfAborted();
  throw explainFailure(directory, await server.report(), options.port);
}

async function choosePort(directory: string): Promise<number> {
  const last = Number(await readIfPresent(portFileOf(directory)));
  return Number.isSafeInteger(last) && last > 0 && (await isPortFree(last)) ? last : -1;
}

/** One secret is kept; those of the users follow from it, and it does not follow from theirs. */
const passwordOf = (password: string, user: string): string => createHmac('sha256', password).update(`nats ${user}`).digest('base64url');

/** JSON is what the server's configuration takes for lists and texts. */
function rightsOf(password: string, users: readonly NatsUser[] = []): string {
  const limited = users.map(({ name, publish, subscribe }) => ({
    user: name,
    password: passwordOf(password, name),
    permissions: { publish: { allow: publish }, subscribe: { allow: subscribe } },
  }));
  return `authorization { timeout: 5, users: ${JSON.stringify([{ user: BROKER_USER, password }, ...limited])} }`;
}

const hasRights = async (directory: string, rights: string): Promise<boolean> =>
  (await readIfPresent(configFileOf(directory)))?.includes(rights) ?? false;

type Settings = Pick<NatsOptions, 'storeBytesMax'> & { readonly port: number };

function configuration(
  directory: string,
  rights: string,
  { port, storeBytesMax = STORE_BYTES_MAX }: Settings,
  cluster: ClusterConfiguration,
): string {
  return [
    '# Written by TaskMaster at every start; changes are lost.',
    `listen: "127.0.0.1:${String(port)}"`,
    `pid_file: ${JSON.stringify(pidFileOf(directory))}`,
    `ports_file_dir: ${JSON.stringify(directory)}`,
    'max_payload: 1MB',
    'max_connections: 1024',
    rights,
    `jetstream { store_dir: ${JSON.stringify(storeOf(directory))}, max_memory_store: 67108864, max_file_store: ${String(storeBytesMax)}${cluster.sync} }`,
    ...cluster.lines,
    '',
  ].join('\n');
}

function explainFailure(directory: string, log: string, port: number | undefined): ProvisionFault {
  if (speaksOfFullDisk(log)) return diskFull(directory);
  if (speaksOfTakenPort(log) && port !== undefined) {
    return new ProvisionFault(
      'port-taken',
      `Port ${String(port)} is taken, so NATS cannot listen on it.`,
      'free it, or choose another port.',
    );
  }
  return new ProvisionFault(
    'not-startable',
    `NATS did not start:\n${tailOf(log)}`,
    `see ${logFileOf(directory)}; or set NATS_URL to a server that you run yourself; or choose another --data DIR.`,
  );
}

function describe(directory: string, password: string, running: RunningNats, adopted: boolean): NatsServer {
  const urlFor = (user: string, secret: string): string => `nats://${user}:${secret}@127.0.0.1:${String(running.port)}`;
  return {
    url: urlFor(BROKER_USER, password),
    urlOf: (user) => urlFor(user, passwordOf(password, user)),
    port: running.port,
    process: running.identity,
    logFile: logFileOf(directory),
    store: storeOf(directory),
    adopted,
    ended: running.ended,
    stop: () => stopServer(running.identity),
  };
}

async function stopServer(identity: ProcessIdentity): Promise<void> {
  // SIGTERM also flushes JetStream; what is lost by SIGKILL is notices, which the relay sends again.
  const gone = await stopProcess(identity, [
    { signal: 'SIGTERM', waitMs: 10_000 },
    { signal: 'SIGKILL', waitMs: 5_000 },
  ]);
  if (!gone) throw new ProvisionFault('not-stoppable', `NATS (pid ${String(identity.pid)}) does not stop.`, 'stop it by its pid.');
}

/** Stops the nats-server of that directory if one is left from an earlier run. @returns whether there was one */
export async function stopNats(directory: string): Promise<boolean> {
  const identity = await processOf(resolve(directory));
  if (identity === undefined) return false;
  await stopServer(identity);
  return true;
}
