import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, parse, resolve } from 'node:path';
import { ProvisionFault, explainBrokenPlace } from './faults.js';

export const isRoot = (): boolean => process.getuid?.() === 0;

/** Where downloaded and copied programs are kept: `TASKMASTER_CACHE`, else /var/cache/taskmaster for root, else the user's cache. */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env['TASKMASTER_CACHE']) return resolve(env['TASKMASTER_CACHE']);
  if (isRoot()) return '/var/cache/taskmaster';
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'taskmaster');
  return join(env['XDG_CACHE_HOME'] ? resolve(env['XDG_CACHE_HOME']) : join(homedir(), '.cache'), 'taskmaster');
}

/** A user of this machine, as a process runs under it. */
export interface SystemUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** Whether that user may walk down to the directory; the parents that do not exist yet are ours to make. */
export async function isReachable(directory: string, user: SystemUser): Promise<boolean> {
  const { root } = parse(resolve(directory));
  for (let at = resolve(directory); ; at = dirname(at)) {
    const found = await stat(at).catch(() => undefined);
    if (found !== undefined && !maySearch(found, user)) return false;
    if (at === root) return true;
  }
}

function maySearch(found: { readonly mode: number; readonly uid: number; readonly gid: number }, user: SystemUser): boolean {
  if (found.uid === user.uid) return (found.mode & 0o100) !== 0;
  if (found.gid === user.gid) return (found.mode & 0o010) !== 0;
  return (found.mode & 0o001) !== 0;
}

/**
 * Makes a directory that only its owner can change, and refuses one that somebody else prepared: the place may lie in a
 * world-writable folder such as /var/tmp.
 */
export async function ensureOwnDirectory(directory: string, mode: number): Promise<void> {
  await makeWithParents(resolve(directory), mode).catch((error: unknown) => {
    throw explainBrokenPlace(directory, error);
  });
  const found = await lstat(directory);
  if (!found.isDirectory() || (process.getuid !== undefined && found.uid !== process.getuid())) {
    throw new ProvisionFault(
      'wrong-owner',
      `${directory} does not belong to the user who starts TaskMaster.`,
      'start it as the owner of that directory, or choose another place with --data DIR.',
    );
  }
  if ((found.mode & 0o777) !== mode) await chmod(directory, mode);
}

/** Parent by parent: Node's recursive mkdir never ends where a file system says that a parent is missing which is there (/proc). */
async function makeWithParents(directory: string, mode: number): Promise<void> {
  const missing: string[] = [];
  for (let at = directory; (await stat(at).catch(() => undefined)) === undefined && dirname(at) !== at; at = dirname(at)) missing.push(at);
  for (const each of missing.reverse()) {
    await mkdir(each, { mode }).catch((error: unknown) => {
      // Somebody else made it meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
  }
}

/** Writes a small file so that a reader sees the old or the new content, never a part. */
export async function writeWhole(path: string, content: string, mode = 0o600): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${String(process.pid)}.${randomBytes(4).toString('hex')}`);
  try {
    await writeFile(draft, content, { mode });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

export const readIfPresent = (path: string): Promise<string | undefined> => readFile(path, 'utf8').catch(() => undefined);

/** The secret in that file, made on first use, readable by its owner only. */
export async function ensureSecret(path: string): Promise<string> {
  const known = (await readIfPresent(path))?.trim();
  if (known) return known;
  const secret = randomBytes(24).toString('base64url');
  await writeWhole(path, `${secret}\n`);
  return secret;
}
