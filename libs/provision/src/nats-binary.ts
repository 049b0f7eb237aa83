import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { ProvisionFault, diskFull, speaksOfFullDisk, tailOf } from './faults.js';
import { NATS_SOURCES, type NatsSource, type SourceContext } from './nats-sources.js';
import { cacheDirectory } from './places.js';

const run = promisify(execFile);

/** The oldest server whose features the product stays inside. */
const NATS_VERSION_MIN = [2, 9] as const;

export interface NatsBinary {
  readonly path: string;
  readonly version: string;
  /** Where it came from, for people. */
  readonly source: string;
}

export interface FindNatsOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Told in words before anything that takes seconds. */
  readonly onProgress?: ((message: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The ways to get one that is not there yet, in order. */
  readonly sources?: readonly NatsSource[];
}

/** Finds a usable nats-server: on PATH, in the cache, else by the sources, in order. @throws ProvisionFault that lists every way */
export async function findNats(options: FindNatsOptions = {}): Promise<NatsBinary> {
  const env = options.env ?? process.env;
  const cache = join(cacheDirectory(env), 'nats-server');
  for await (const present of presentNats(env)) return present;
  return acquire(cache, env, options);
}

/** Every usable nats-server of this machine: those on PATH, then those in the cache. */
export async function* presentNats(env: NodeJS.ProcessEnv = process.env): AsyncGenerator<NatsBinary> {
  const cache = join(cacheDirectory(env), 'nats-server');
  const folders = (env['PATH'] ?? '').split(delimiter).filter((entry) => entry.startsWith('/'));
  const names = (await readdir(cache).catch(() => [])).filter((entry) => !entry.startsWith('.')).sort();
  const places = [
    ...folders.map((folder) => [join(folder, 'nats-server'), 'PATH'] as const),
    ...names.map((name) => [join(cache, name, 'nats-server'), 'cache'] as const),
  ];
  for (const [path, source] of places) {
    const found = await probe(path, source);
    if (found !== undefined) yield found;
  }
}

/** A binary counts only if it runs here and is new enough. */
async function probe(path: string, source: string): Promise<NatsBinary | undefined> {
  try {
    await access(path, constants.X_OK);
    const { stdout } = await run(path, ['--version'], { timeout: 10_000 });
    const version = /v?(\d+)\.(\d+)\.(\d+\S*)/.exec(stdout);
    if (version === null) return undefined;
    const [major, minor] = [Number(version[1]), Number(version[2])];
    const isNewEnough = major > NATS_VERSION_MIN[0] || (major === NATS_VERSION_MIN[0] && minor >= NATS_VERSION_MIN[1]);
    return isNewEnough ? { path, version: version[0].replace(/^v/, ''), source } : undefined;
  } catch {
    return undefined;
  }
}

async function acquire(cache: string, env: NodeJS.ProcessEnv, options: FindNatsOptions): Promise<NatsBinary> {
  const failures: string[] = [];
  const context: SourceContext = { cache, env, signal: options.signal };
  await mkdir(cache, { recursive: true, mode: 0o755 }).catch((error: unknown) => {
    throw speaksOfFullDisk(String(error)) ? diskFull(cache, error) : cacheFault(cache, error);
  });
  for (const source of options.sources ?? NATS_SOURCES) {
    options.signal?.throwIfAborted();
    const refusal = await source.refusal(context);
    if (refusal !== undefined) {
      failures.push(`${source.name}: ${refusal}`);
      continue;
    }
    options.onProgress?.(`NATS: no nats-server on this machine yet; trying ${source.name}`);
    try {
      const path = await source.acquire(context);
      const found = await probe(path, source.name);
      if (found !== undefined) return found;
      failures.push(`${source.name}: ${path} does not run here`);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (speaksOfFullDisk(String(error))) throw diskFull(cache, error);
      failures.push(`${source.name}: ${reasonOf(error)}`);
    }
  }
  throw noBinary(failures);
}

const cacheFault = (cache: string, error: unknown): ProvisionFault =>
  new ProvisionFault(
    'unreachable-directory',
    `nats-server is not on PATH, and there is no place to keep a downloaded one: ${(error as Error).message}.`,
    `set TASKMASTER_CACHE to a directory of yours (now ${cache}), or install nats-server 2.9 or newer.`,
    { cause: error },
  );

function reasonOf(error: unknown): string {
  const { stderr, message, cause } = error as { stderr?: string; message: string; cause?: { message?: string } };
  return tailOf(stderr?.trim() ? stderr : [message, cause?.message].filter(Boolean).join(': '), 2).replaceAll('\n', '; ');
}

const noBinary = (failures: readonly string[]): ProvisionFault =>
  new ProvisionFault(
    'no-binary',
    `No nats-server was found on PATH or in the cache, and none could be fetched:\n${failures.map((line) => `    - ${line}`).join('\n')}`,
    [
      'do one of these:',
      '    - install nats-server 2.9 or newer so that it is on PATH (https://github.com/nats-io/nats-server/releases)',
      '    - Debian or Ubuntu: sudo apt-get install nats-server; macOS: brew install nats-server',
      '    - allow this program to do that itself: TASKMASTER_ALLOW_INSTALL=1',
      '    - start Docker, or connect this machine to the network, and try again',
      '    - set NATS_URL to a server (with JetStream) that you run yourself',
    ].join('\n'),
  );
