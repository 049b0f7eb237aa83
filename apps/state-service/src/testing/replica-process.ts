import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** A line of a replica's log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
}

/** A real process, as the supervisor starts it; resolves when it is ready. With `log`, its lines are collected there. */
export async function startReplicaProcess(env: Readonly<Record<string, string>>, log?: LogLine[]): Promise<ChildProcess> {
  const child = forkReplica(env, log);
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`the replica ended with ${String(code)}`)));
  });
  return child;
}

/** A process that nobody expects to become ready. */
export function forkReplica(env: Readonly<Record<string, string>>, log?: LogLine[]): ChildProcess {
  const level = env['LOG_LEVEL'] ?? (log === undefined ? 'warn' : 'info');
  const child = fork(MAIN, {
    env: { ...env, LOG_LEVEL: level },
    stdio: ['ignore', log === undefined ? 'inherit' : 'pipe', 'inherit', 'ipc'],
  });
  if (log !== undefined && child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => log.push(JSON.parse(line) as LogLine));
  }
  return child;
}

/** Ends it and resolves when it is gone; also one that is stopped. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
