import { createHash, randomBytes } from 'node:crypto';
import { link, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { readIfPresent } from './places.js';
import { identify, isSameProcess, type ProcessIdentity } from './processes.js';

export type LockOutcome =
  | { readonly kind: 'acquired'; release(): Promise<void> }
  /** A live process holds it; `note` is what it had to say. */
  | { readonly kind: 'held'; readonly by: ProcessIdentity; readonly note: string };

interface LockContent extends ProcessIdentity {
  readonly note: string;
}

const ATTEMPTS_MAX = 50;

/** Takes a lock that dies with this process: a file that names its holder, and a dead holder's file may be replaced. */
export async function acquireLock(path: string, note = ''): Promise<LockOutcome> {
  const self = await identify(process.pid);
  if (self === undefined) throw new Error('this process cannot be identified');
  const draft = `${path}.${String(process.pid)}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, JSON.stringify({ ...self, note } satisfies LockContent), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (await appears(draft, path)) return { kind: 'acquired', release: () => rm(path, { force: true }) };
      const text = await readIfPresent(path);
      if (text === undefined) continue;
      const holder = parseLock(text);
      if (holder !== undefined && (await isSameProcess(holder))) return { kind: 'held', by: holder, note: holder.note };
      if (await replaceDead(draft, path, text)) return { kind: 'acquired', release: () => rm(path, { force: true }) };
      await pause(5);
    }
  } finally {
    await rm(draft, { force: true });
  }
  throw new Error(`the lock ${path} changes hands too fast`);
}

/** A power cut can leave an empty file, which is nobody's lock. */
function parseLock(text: string): LockContent | undefined {
  try {
    return JSON.parse(text) as LockContent;
  } catch {
    return undefined;
  }
}

/** A hard link appears whole or not at all, so nobody ever reads half a lock. */
async function appears(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
}

/**
 * Only whoever holds the lock named after that dead content may replace it, and looks again first: of many who see the same dead holder,
 * one comes through.
 */
async function replaceDead(draft: string, path: string, dead: string): Promise<boolean> {
  const name = createHash('sha256').update(dead).digest('hex').slice(0, 12);
  const right = await acquireLock(`${path}.after-${name}`);
  if (right.kind === 'held') return false;
  try {
    if ((await readIfPresent(path)) !== dead) return false;
    await rename(draft, path);
    return true;
  } finally {
    await right.release();
  }
}
