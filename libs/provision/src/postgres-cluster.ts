import { spawn } from 'node:child_process';
import { chown, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { ProvisionFault, diskFull, speaksOfFullDisk, tailOf } from './faults.js';
import { ensureOwnDirectory, ensureSecret, isReachable, readIfPresent, writeWhole, type SystemUser } from './places.js';
import type { PostgresBinaries } from './postgres-binaries.js';
import { isAlive } from './processes.js';

export const DATABASE_NAME = 'taskmaster';
export const SUPERUSER_NAME = 'taskmaster';

/** Where a cluster lies, and what opens it. */
export interface PostgresCluster {
  /** The data directory of Postgres itself. */
  readonly data: string;
  readonly password: string;
}

/** Only the owner of the data may read what the server and its helpers get from us. */
export const SERVER_ENV = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } as const;

/** Makes the cluster of that directory on first use; whole or absent, also when interrupted. */
export async function ensureCluster(directory: string, binaries: PostgresBinaries): Promise<PostgresCluster> {
  const home = await clusterHome(directory, binaries.user);
  const data = join(home, 'cluster');
  const password = await ensureSecret(join(directory, 'password'));
  await refuseForeignData(data, binaries.user);
  if ((await readIfPresent(join(data, 'PG_VERSION'))) === undefined) await createCluster(home, data, password, binaries);
  await refuseOtherVersion(data);
  return { data, password };
}

/**
 * The server's own user must be able to walk to its data. Where it cannot (a home or checkout of mode 0700, started by root), the cluster
 * lies in /var/lib/taskmaster, and a file in the chosen directory says so.
 */
async function clusterHome(directory: string, user: SystemUser | undefined): Promise<string> {
  const pointer = join(directory, 'cluster-is-in');
  const known = (await readIfPresent(pointer))?.trim();
  // The directory itself is ours; its parents decide whether others can come as far as that.
  const inside = known === undefined && (user === undefined || (await isReachable(resolve(directory, '..'), user)));
  await ensureOwnDirectory(directory, user !== undefined && inside ? 0o711 : 0o700);
  if (inside) return directory;
  if (known) return known;
  const name = createHash('sha256').update(resolve(directory)).digest('hex').slice(0, 12);
  const home = join('/var/lib/taskmaster', `postgres-${name}`);
  await ensureOwnDirectory('/var/lib/taskmaster', 0o711);
  await ensureOwnDirectory(home, 0o711);
  await writeWhole(pointer, `${home}\n`);
  return home;
}

async function refuseForeignData(data: string, user: SystemUser | undefined): Promise<void> {
  const found = await stat(data).catch(() => undefined);
  const owner = user?.uid ?? process.getuid?.();
  if (found === undefined || owner === undefined || found.uid === owner) return;
  throw new ProvisionFault(
    'wrong-owner',
    `The database in ${data} belongs to user id ${String(found.uid)}, and Postgres would run as user id ${String(owner)}.`,
    `start TaskMaster as the user who made it, or give it to that user (chown -R ${String(owner)} ${data}), or choose another --data DIR.`,
  );
}

const BUILT_FOR = '18';
async function refuseOtherVersion(data: string): Promise<void> {
  const version = (await readIfPresent(join(data, 'PG_VERSION')))?.trim();
  if (version === undefined || version === BUILT_FOR) return;
  throw new ProvisionFault(
    'not-startable',
    `The database in ${data} was made by Postgres ${version}; the programs here are version ${BUILT_FOR}.`,
    'choose another --data DIR, or run that version yourself and set DATABASE_URL.',
  );
}

async function createCluster(home: string, data: string, password: string, binaries: PostgresBinaries): Promise<void> {
  await removeInterrupted(home);
  const draft = join(home, `cluster.new-${String(process.pid)}`);
  // initdb reads the password from a file only (a pipe of Node is a socket, which it refuses), and as its own user.
  const secrets = await mkdtemp(join(binaries.user === undefined ? tmpdir() : '/var/tmp', 'taskmaster-initdb-'));
  try {
    const passwordFile = join(secrets, 'password');
    await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
    await mkdir(draft, { mode: 0o700 });
    if (binaries.user !== undefined) {
      for (const path of [secrets, passwordFile, draft]) await chown(path, binaries.user.uid, binaries.user.gid);
    }
    const how = ['--encoding=UTF8', '--locale=C', '--auth=scram-sha-256', '--no-instructions', '--data-checksums'];
    await runTool(binaries, binaries.initdb, [`--pgdata=${draft}`, `--username=${SUPERUSER_NAME}`, `--pwfile=${passwordFile}`, ...how]);
    await runTool(binaries, binaries.postgres, ['--single', '-D', draft, 'postgres'], `create database ${DATABASE_NAME}\n`);
    await rename(draft, data);
  } catch (error) {
    throw speaksOfFullDisk(String(error)) ? diskFull(home, error) : error;
  } finally {
    await rm(secrets, { recursive: true, force: true });
    await rm(draft, { recursive: true, force: true });
  }
}

/** An interrupted first start leaves a half-made cluster behind; nobody can have used it. */
async function removeInterrupted(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const pid = /^cluster\.new-(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && (Number(pid) === process.pid || !(await isAlive(Number(pid))))) {
      await rm(join(home, name), { recursive: true, force: true });
    }
  }
}

const TOOL_OUTPUT_CHARS_MAX = 64 * 1024;

async function runTool(binaries: PostgresBinaries, program: string, args: readonly string[], input = ''): Promise<void> {
  const identity = binaries.user === undefined ? {} : { uid: binaries.user.uid, gid: binaries.user.gid };
  const child = spawn(program, args, { ...identity, cwd: '/', env: SERVER_ENV, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer): void => {
    if (output.length < TOOL_OUTPUT_CHARS_MAX) output += chunk.toString('utf8');
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const code = await new Promise<number | string>((settle) => {
    child.once('error', (error) => {
      settle(error.message);
    });
    child.once('close', (exitCode, signal) => {
      settle(exitCode ?? signal ?? 'unknown');
    });
  });
  // Single-user mode reports a failed statement on stderr and still exits with 0.
  if (code === 0 && !/^\S* ?(ERROR|FATAL|PANIC):/m.test(output)) return;
  throw new ProvisionFault(
    'not-startable',
    `Postgres could not make its data directory (${program.split('/').at(-1) ?? program} ended with ${String(code)}):\n${tailOf(output)}`,
    'see the lines above; or set DATABASE_URL to a Postgres that you run yourself.',
  );
}
