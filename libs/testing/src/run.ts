import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  acquireLock,
  identify,
  isRoot,
  isSameProcess,
  readIfPresent,
  removePostgres,
  stopNats,
  type ProcessIdentity,
} from '@taskmaster/provision';
import { eventually } from './eventually.js';

const RUN_PREFIX = 'taskmaster-test-';
const RUN_VARIABLE = 'TASKMASTER_TEST_RUN';
const OWNER_FILE = 'owner.json';
/** The purpose of directories that hold a Postgres each. */
export const CLUSTERS = 'clusters';

/** The directory of this test run, which holds every server that its specs start. Made by jest's global set-up. */
export function runDirectory(): string {
  const directory = process.env[RUN_VARIABLE];
  if (directory === undefined) throw new Error('no test run is open: start jest with the configuration in the root of the repository');
  return directory;
}

/** Opens a run, after cleaning up what runs that were killed have left. Servers start later, when a spec first asks. */
export async function openRun(): Promise<void> {
  await removeDeadRuns();
  const directory = await mkdtemp(join(tmpdir(), RUN_PREFIX));
  // Postgres runs as another user when we are root, and has to walk through.
  if (isRoot()) await chmod(directory, 0o711);
  await writeFile(join(directory, OWNER_FILE), JSON.stringify(await identify(process.pid)), { mode: 0o600 });
  process.env[RUN_VARIABLE] = directory;
}

/** Stops every server of the run and removes its directory. */
export async function closeRun(): Promise<void> {
  await removeRun(runDirectory());
  Reflect.deleteProperty(process.env, RUN_VARIABLE);
}

async function removeDeadRuns(): Promise<void> {
  for (const name of (await readdir(tmpdir())).filter((entry) => entry.startsWith(RUN_PREFIX))) {
    const directory = join(tmpdir(), name);
    const owner = await readIfPresent(join(directory, OWNER_FILE));
    if (owner === undefined || (await isSameProcess(JSON.parse(owner) as ProcessIdentity))) continue;
    await removeRun(directory).catch(() => undefined);
  }
}

async function removeRun(directory: string): Promise<void> {
  await removePostgres(join(directory, 'postgres'));
  const clusters = join(directory, CLUSTERS);
  for (const name of await readdir(clusters).catch(() => [])) await removePostgres(join(clusters, name));
  const brokers = join(directory, 'brokers');
  for (const name of await readdir(brokers).catch(() => [])) await stopNats(join(brokers, name));
  await rm(directory, { recursive: true, force: true });
}

/** A new directory of this run, named after its purpose; removed with the run at the latest. */
export async function runSubdirectory(purpose: string): Promise<string> {
  const parent = join(runDirectory(), purpose);
  await mkdir(parent, { recursive: true, mode: 0o711 });
  return mkdtemp(join(parent, 'at-'));
}

/** Runs the work while no other worker of this run runs work of that name. */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  const path = join(runDirectory(), `${name}.lock`);
  const lock = await eventually(
    async () => {
      const outcome = await acquireLock(path);
      return outcome.kind === 'acquired' ? outcome : undefined;
    },
    { deadlineMs: 60_000, what: `the lock ${name}` },
  );
  try {
    return await work();
  } finally {
    await lock.release();
  }
}
