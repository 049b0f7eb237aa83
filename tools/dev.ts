// `npm run dev`: the compiler watches the sources, and the platform starts a service again whenever its code has changed.
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const STOP_MS_MAX = 30_000;

const projects = ['libs', 'apps'].flatMap((group) => readdirSync(group).map((name) => join(group, name, 'tsconfig.lib.json')));
const start = (...args: readonly string[]): ChildProcess => spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });

const compiler = start(join('node_modules', 'typescript', 'bin', 'tsc'), '-b', '--watch', '--preserveWatchOutput', ...projects);
const platform = start(join('apps', 'cli', 'dist', 'main.js'), 'up', '--watch', ...process.argv.slice(2));

const endOf = (child: ChildProcess): Promise<number> => new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
const ends = { compiler: endOf(compiler), platform: endOf(platform) };

function stop(child: ChildProcess): void {
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX).unref();
}

// On a terminal both got the signal as well; a second one changes nothing.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    stop(platform);
    stop(compiler);
  });
}

const code = await Promise.race([ends.platform, ends.compiler]);
stop(platform);
stop(compiler);
await Promise.all([ends.platform, ends.compiler]);
process.exitCode = code;
