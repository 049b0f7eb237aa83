import { randomBytes } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { identify, isSameProcess, type ProcessIdentity } from './processes.js';

export type LockOutcome =
  | { readonly kind: 'acquired'; release(): Promise<void> }
  /** A live process holds it; `note` is what it had to say. */
  | { readonly kind: 'held'; readonly by: ProcessIdentity; readonly note: string };

interface LockContent extends ProcessIdentity {
  readonly note: string;
}

const TAKEOVER_ATTEMPTS_MAX = 20;

/** Takes a lock that dies with this process: a file that names its holder, and a dead holder's file is nobody's. */
export async function acquireLock(path: string, note = ''): Promise<LockOutcome> {
  const self = await identify(process.pid);
  if (self === undefined) throw new Error('this process cannot be identified');
  const draft = `${path}.${String(process.pid)}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, JSON.stringify({ ...self, note } satisfies LockContent), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < TAKEOVER_ATTEMPTS_MAX; attempt += 1) {
      // A hard link appears whole or not at all, so nobody ever reads half a lock.
      const taken = await link(draft, path).then(
        () => true,
        (error: unknown) => {
          if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
          return false;
        },
      );
      if (taken) return { kind: 'acquired', release: () => rm(path, { force: true }) };
      const holder = await readLock(path);
      if (holder !== undefined && (await isSameProcess(holder))) return { kind: 'held', by: holder, note: holder.note };
      await discardDead(path);
    }
  } finally {
    await rm(draft, { force: true });
  }
  throw new Error(`the lock ${path} changes hands too fast`);
}

async function readLock(path: string): Promise<LockContent | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as LockContent;
  } catch {
    return undefined;
  }
}

/** Two starters may both see the dead holder; the one whose rename finds a live lock instead puts it back. */
async function discardDead(path: string): Promise<void> {
  const aside = `${path}.dead-${randomBytes(4).toString('hex')}`;
  if (
    !(await rename(path, aside).then(
      () => true,
      () => false,
    ))
  )
    return;
  const moved = await readLock(aside);
  if (moved !== undefined && (await isSameProcess(moved))) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}
