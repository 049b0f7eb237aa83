import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** A real process, as the supervisor starts it; resolves when it is ready. */
export async function startReplicaProcess(env: Readonly<Record<string, string>>): Promise<ChildProcess> {
  const child = fork(MAIN, { env: { ...env, LOG_LEVEL: env['LOG_LEVEL'] ?? 'warn' }, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', (code) => reject(new Error(`the replica ended with ${String(code)}`)));
  });
  return child;
}

export async function endProcess(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}
