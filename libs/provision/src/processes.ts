import { execFile } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { promisify } from 'node:util';
import { pollUntil } from './poll.js';

const run = promisify(execFile);

/** Names one process for good: pids are used again, a pid together with its start time is not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal for the same process only. */
  readonly startedAt: string;
}

/** Whether a process with that pid exists and is not a zombie. */
export async function isAlive(pid: number): Promise<boolean> {
  if (!Number.isSafeInteger(pid) || pid <= 1) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return !(await hasEnded(pid));
}

async function hasEnded(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  return (await statFields(pid)) === undefined || isZombie(pid);
}

/** Whether a process has ended and only waits for its parent to take notice. */
export async function isZombie(pid: number): Promise<boolean> {
  const state = (await statFields(pid))?.[0];
  return state === 'Z' || state === 'X';
}

/** The fields of /proc/<pid>/stat from the third on; the second may hold spaces and brackets. */
async function statFields(pid: number): Promise<readonly string[] | undefined> {
  try {
    const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

let bootId: Promise<string> | undefined;
const readBootId = (): Promise<string> =>
  (bootId ??= readFile('/proc/sys/kernel/random/boot_id', 'utf8').then(
    (text) => text.trim(),
    () => 'unknown-boot',
  ));

/** The identity of a live process, or undefined when there is none with that pid. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  if (!(await isAlive(pid))) return undefined;
  if (process.platform === 'linux') {
    const ticks = (await statFields(pid))?.[19];
    return ticks === undefined ? undefined : { pid, startedAt: `${await readBootId()}:${ticks}` };
  }
  const started = await psColumn(pid, 'lstart');
  return started === undefined ? undefined : { pid, startedAt: started };
}

/** Whether exactly this process still lives. */
export async function isSameProcess(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.startedAt === identity.startedAt;
}

/** The command line of a process, its arguments joined by spaces; empty when it cannot be read. */
export async function commandLineOf(pid: number): Promise<string> {
  if (process.platform !== 'linux') return (await psColumn(pid, 'command')) ?? '';
  try {
    return (await readFile(`/proc/${String(pid)}/cmdline`, 'utf8')).split('\0').join(' ').trim();
  } catch {
    return '';
  }
}

/** The working directory of a process, where the system tells. */
export async function workingDirectoryOf(pid: number): Promise<string | undefined> {
  try {
    return await readlink(`/proc/${String(pid)}/cwd`);
  } catch {
    return undefined;
  }
}

async function psColumn(pid: number, column: string): Promise<string | undefined> {
  try {
    const { stdout } = await run('ps', ['-o', `${column}=`, '-p', String(pid)]);
    return stdout.trim() === '' ? undefined : stdout.trim();
  } catch {
    return undefined;
  }
}

/** Sends a signal; a process that is gone already is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Sends the signals one after the other, each with its time to obey, until that very process is gone.
 * @returns whether it is gone
 */
export async function stopProcess(
  identity: ProcessIdentity,
  steps: readonly { readonly signal: NodeJS.Signals; readonly waitMs: number }[],
): Promise<boolean> {
  for (const step of steps) {
    if (!(await isSameProcess(identity))) return true;
    signalProcess(identity.pid, step.signal);
    if (await pollUntil(async () => !(await isSameProcess(identity)), { deadlineMs: step.waitMs })) return true;
  }
  return !(await isSameProcess(identity));
}
