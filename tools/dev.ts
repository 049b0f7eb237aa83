// `npm run dev`: the platform, started again whenever a source changes. The compiler watches the sources, this watches what it writes.
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const PROJECT_GROUPS = ['libs', 'apps'];
const LOOK_EVERY_MS = 400;
const STOP_WITHIN_MS = 20_000;

const say = (text: string): void => {
  process.stderr.write(`dev: ${text}\n`);
};

const projects = (): readonly string[] => PROJECT_GROUPS.flatMap((group) => readdirSync(group).map((name) => join(group, name)));

/** The newest write to any build result, in milliseconds; specs are not built here. */
function newestBuild(folder: string): number {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) newest = Math.max(newest, newestBuild(path));
    else if (entry.name.endsWith('.js')) newest = Math.max(newest, statSync(path).mtimeMs);
  }
  return newest;
}

const newest = (): number => Math.max(...projects().map((project) => newestBuild(join(project, 'dist'))));

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((resolve) => child.once('exit', () => resolve()));

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
  await ended(child);
  clearTimeout(late);
}

const compiler = spawn(
  process.execPath,
  [
    join('node_modules', 'typescript', 'bin', 'tsc'),
    '-b',
    '--watch',
    '--preserveWatchOutput',
    ...projects().map((path) => join(path, 'tsconfig.lib.json')),
  ],
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
const up = (): ChildProcess =>
  spawn(process.execPath, [join('apps', 'cli', 'dist', 'main.js'), 'up', ...process.argv.slice(2)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });

let platform = up();
let stopping = false;

async function end(): Promise<void> {
  if (stopping) return;
  stopping = true;
  await Promise.all([stop(platform), stop(compiler)]);
}

process.on('SIGINT', () => void end());
process.on('SIGTERM', () => void end());

/** Starts the platform again once what the compiler wrote has been quiet for one look. */
async function watch(): Promise<void> {
  let running = newest();
  let seen = running;
  while (!stopping) {
    await Promise.race([new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS)), ended(compiler)]);
    if (compiler.exitCode !== null) return;
    const now = newest();
    if (now !== running && now === seen) {
      say('something changed: starting again, workflows go on where they are');
      await stop(platform);
      if (!stopping) platform = up();
      running = now;
    }
    seen = now;
  }
}

await watch();
await end();
