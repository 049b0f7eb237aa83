import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Characters of a command's output that are kept: its end. */
export const OUTPUT_TAIL_CHARS_MAX = 4000;
const KILL_GRACE_MS = 2000;
const PIPE_GRACE_MS = 500;

/** A process group that we started: its leader and when that began, so that a reused pid is never taken for ours. */
export interface ProcessMark {
  readonly pid: number;
  readonly startedAt: string;
}

/** When a process began, in whatever unit the system counts; undefined when there is none. */
export function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    if (process.platform === 'linux') return undefined;
    const listed = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim();
    return listed === '' ? undefined : listed;
  }
}

export const isAlive = (mark: ProcessMark): boolean => startOf(mark.pid) === mark.startedAt;

/** Signals the whole group of a leader that is still the one we started. */
export function signalGroup(mark: ProcessMark, signal: NodeJS.Signals): boolean {
  if (!isAlive(mark)) return false;
  return signalNumber(-mark.pid, signal);
}

function signalNumber(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

export interface CommandSpec {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Ends the group when aborted. */
  readonly signal?: AbortSignal;
  /** Told of the group as soon as there is one. */
  readonly onSpawn?: (mark: ProcessMark) => void;
}

export type CommandEnd =
  | { readonly kind: 'exited'; readonly exitCode: number; readonly outputTail: string; readonly durationMs: number }
  | { readonly kind: 'timed-out' | 'stopped'; readonly outputTail: string; readonly durationMs: number }
  | { readonly kind: 'not-started'; readonly reason: string; readonly outputTail: string; readonly durationMs: number };

const EXIT_OF_SIGNAL = 128;

/** Runs one command without a shell, in a process group of its own, with standard input closed, until it exits or its time is up. */
export function runCommand(spec: CommandSpec): Promise<CommandEnd> {
  const startedMs = performance.now();
  const [program = '', ...args] = spec.command;
  return new Promise((resolve) => {
    let output = '';
    let why: 'timed-out' | 'stopped' | undefined;
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-OUTPUT_TAIL_CHARS_MAX);
    };
    const child = spawn(program, args, { cwd: spec.cwd, env: { ...spec.env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    announce(child, spec);
    const end = (reason: 'timed-out' | 'stopped'): void => {
      why ??= reason;
      if (child.pid === undefined || child.exitCode !== null) return;
      const group = -child.pid;
      signalNumber(group, 'SIGTERM');
      setTimeout(() => signalNumber(group, 'SIGKILL'), KILL_GRACE_MS).unref();
    };
    const timer = setTimeout(() => {
      end('timed-out');
    }, spec.timeoutMs);
    const abort = (): void => {
      end('stopped');
    };
    spec.signal?.addEventListener('abort', abort, { once: true });
    if (spec.signal?.aborted === true) abort();
    const settle = (result: (outputTail: string, durationMs: number) => CommandEnd): void => {
      clearTimeout(timer);
      spec.signal?.removeEventListener('abort', abort);
      resolve(result(output, Math.round(performance.now() - startedMs)));
    };
    child.once('error', (error) => {
      settle((outputTail, durationMs) => ({ kind: 'not-started', reason: error.message, outputTail, durationMs }));
    });
    // The leader's exit decides. What it left behind in its group ends with it, so that a daemon cannot hold the pipes open; one that has
    // left the group loses them.
    child.once('exit', (code, signal) => {
      if (child.pid !== undefined) signalNumber(-child.pid, 'SIGKILL');
      const cut = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, PIPE_GRACE_MS);
      child.once('close', () => {
        clearTimeout(cut);
        settle((outputTail, durationMs) =>
          why === undefined
            ? { kind: 'exited', exitCode: code ?? exitCodeOf(signal), outputTail, durationMs }
            : { kind: why, outputTail, durationMs },
        );
      });
    });
  });
}

const exitCodeOf = (signal: NodeJS.Signals | null): number => (signal === 'SIGKILL' ? EXIT_OF_SIGNAL + 9 : EXIT_OF_SIGNAL + 15);

function announce(child: ChildProcess, spec: CommandSpec): void {
  if (child.pid === undefined) return;
  const startedAt = startOf(child.pid);
  if (startedAt !== undefined) spec.onSpawn?.({ pid: child.pid, startedAt });
}
