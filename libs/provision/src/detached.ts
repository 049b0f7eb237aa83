import { spawn } from 'node:child_process';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { identify, type ProcessIdentity } from './processes.js';
import type { SystemUser } from './places.js';

const LOG_BYTES_MAX = 8 * 1024 * 1024;

/** A server that outlives us unless we stop it, and that writes to a log of its own. */
export interface DetachedProcess {
  readonly pid: number | undefined;
  /** Settles when it has ended. */
  readonly ended: Promise<void>;
  /** How it ended, in words; undefined while it lives. */
  endedWith(): string | undefined;
  /** Undefined once it is gone. */
  identity(): Promise<ProcessIdentity | undefined>;
  /** What it has written to its log since its start, and how it ended. */
  report(): Promise<string>;
}

export interface DetachedLaunch {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly logFile: string;
  /** Whom to run it as; undefined: as we are. */
  readonly user?: SystemUser | undefined;
}

/** Starts a server in a process group of its own: Ctrl-C reaches the foreground group, and servers go last, when we say so. */
export async function spawnDetached(launch: DetachedLaunch): Promise<DetachedProcess> {
  const { logFile, user } = launch;
  if (((await stat(logFile).catch(() => undefined))?.size ?? 0) > LOG_BYTES_MAX) await rename(logFile, `${logFile}.1`);
  const log = await open(logFile, 'a', 0o600);
  let ended: string | undefined;
  try {
    const logStart = (await log.stat()).size;
    const child = spawn(launch.program, launch.args, {
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
      cwd: launch.workingDirectory,
      env: launch.env,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    const end = new Promise<void>((settle) => {
      const note = (how: string): void => {
        ended ??= how;
        settle();
      };
      child.once('exit', (code, signal) => {
        note(`it ended with ${String(code ?? signal)}`);
      });
      child.once('error', (error) => {
        note(error.message);
      });
    });
    child.unref();
    return {
      pid: child.pid,
      ended: end,
      endedWith: () => ended,
      identity: async () => (child.pid === undefined || ended !== undefined ? undefined : identify(child.pid)),
      report: async () => {
        const text = (await readFile(logFile)).subarray(logStart).toString('utf8');
        return `${text.trim()}\n${ended ?? 'it did not become ready in time'}`.trim();
      },
    };
  } finally {
    await log.close();
  }
}
