import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isAlive, startOf, type ProcessMark } from './processes.js';

/** Coordinators that may share one WORKSPACES_DIR. */
export const INSTANCES_MAX = 64;
const CLAIM_STALE_MS = 10_000;

/** A place of one's own under WORKSPACES_DIR, and the name under which its attempts are held, also after a restart. */
export interface Instance {
  readonly root: string;
  readonly holder: string;
  release(): Promise<void>;
}

/**
 * Takes the first place whose owner is gone: the directory itself, then `instance-2`, and so on. Whoever takes a place takes over what was
 * left in it, so a killed coordinator's successor finds its attempts and two living ones never share a name.
 */
export async function claimInstance(dir: string): Promise<Instance> {
  const startedAt = startOf(process.pid);
  if (startedAt === undefined) throw new Error('this process cannot find itself');
  const me: ProcessMark = { pid: process.pid, startedAt };
  for (let place = 1; place <= INSTANCES_MAX; place += 1) {
    const root = place === 1 ? dir : join(dir, `instance-${String(place)}`);
    await mkdir(root, { recursive: true, mode: 0o700 });
    const taken = await take(root, me);
    if (taken !== undefined) return { root, holder: taken, release: () => rm(join(root, 'owner.json'), { force: true }) };
  }
  throw new Error(`more than ${String(INSTANCES_MAX)} coordinators share one WORKSPACES_DIR`);
}

/** The place's holder name when it is ours now. A folder that can be made only once keeps two from looking at the same time. */
async function take(root: string, me: ProcessMark): Promise<string | undefined> {
  const lock = join(root, 'claim.lock');
  if (!(await lockOnce(lock))) return undefined;
  try {
    const owner = JSON.parse(await readFile(join(root, 'owner.json'), 'utf8').catch(() => 'null')) as ProcessMark | null;
    if (owner && isAlive(owner)) return undefined;
    await writeFile(join(root, 'owner.json.draft'), JSON.stringify(me));
    await rename(join(root, 'owner.json.draft'), join(root, 'owner.json'));
    return await holderOf(root);
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

async function lockOnce(lock: string): Promise<boolean> {
  const age = await stat(lock).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => undefined,
  );
  if (age !== undefined && age > CLAIM_STALE_MS) await rm(lock, { recursive: true, force: true });
  return mkdir(lock).then(
    () => true,
    () => false,
  );
}

async function holderOf(root: string): Promise<string> {
  const path = join(root, 'holder');
  const known = (await readFile(path, 'utf8').catch(() => '')).trim();
  if (known !== '') return known;
  const name = `agent-coordinator@${hostname().slice(0, 40)}/${randomUUID().slice(0, 8)}`;
  await writeFile(path, `${name}\n`);
  return name;
}
