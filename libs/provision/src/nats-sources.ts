import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { isRoot } from './places.js';
import { NATS_RELEASE, type NatsRelease } from './nats-release.js';

const run = promisify(execFile);

export interface SourceContext {
  /** A directory of ours; each way puts its program into a folder of its own there. */
  readonly cache: string;
  readonly env: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
}

/** One way to get a nats-server that is not on this machine yet. */
export interface NatsSource {
  readonly name: string;
  /** Why this way is closed here, in words; undefined when it can be tried. */
  refusal(context: SourceContext): Promise<string | undefined>;
  /** @returns the path of the program */
  acquire(context: SourceContext): Promise<string>;
}

const DOWNLOAD_BYTES_MAX = 64 * 1024 * 1024;
const DOWNLOAD_MS_MAX = 60_000;
const TOOL_MS_MAX = 180_000;

async function hasProgram(name: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  for (const folder of (env['PATH'] ?? '').split(delimiter).filter((entry) => entry.startsWith('/'))) {
    if ((await stat(join(folder, name)).catch(() => undefined))?.isFile()) return true;
  }
  return false;
}

/** Only what the tools need: where programs are, how to reach the network, and a language we can read. */
function toolEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const names = [
    'PATH',
    'HOME',
    'http_proxy',
    'https_proxy',
    'no_proxy',
    'HTTP_PROXY',
    'HTTPS_PROXY',
    'NO_PROXY',
    'DOCKER_HOST',
    'APT_CONFIG',
  ];
  const known = names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]] as const]));
  return { ...Object.fromEntries(known), LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
}

async function tool(context: SourceContext, program: string, args: readonly string[], cwd: string): Promise<string> {
  const options = { cwd, env: toolEnvironment(context.env), timeout: TOOL_MS_MAX, maxBuffer: 16 * 1024 * 1024 };
  const { stdout } = await run(program, [...args], context.signal ? { ...options, signal: context.signal } : options);
  return stdout;
}

/** Works in a scratch folder of the cache, so that the result can be moved into place in one step. */
async function inScratch<T>(context: SourceContext, work: (scratch: string) => Promise<T>): Promise<T> {
  await mkdir(context.cache, { recursive: true, mode: 0o755 });
  const scratch = await mkdtemp(join(context.cache, '.scratch-'));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Puts the program at its final place whole; a second process that does the same at once is no harm. */
async function keep(context: SourceContext, program: string, folder: string): Promise<string> {
  const target = join(context.cache, folder, 'nats-server');
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  const draft = `${target}.${randomBytes(4).toString('hex')}`;
  await copyFile(program, draft);
  await chmod(draft, 0o755);
  await rename(draft, target);
  return target;
}

async function findFile(directory: string, name: string): Promise<string> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && entry.name === name) return join(entry.parentPath, name);
  }
  throw new Error(`the download holds no ${name}`);
}

/** The project's own release, refused unless its SHA-256 is the pinned one. */
export const releaseArchive = (release: NatsRelease = NATS_RELEASE): NatsSource => ({
  name: `the release archive of nats-server ${release.version}`,
  refusal: () => {
    const known = release.sha256[`${process.platform}-${process.arch}`] !== undefined;
    return Promise.resolve(known ? undefined : `there is no pinned archive for ${process.platform} ${process.arch}`);
  },
  acquire: (context) =>
    inScratch(context, async (scratch) => {
      const target = `${process.platform}-${process.arch}`;
      const archive = join(scratch, 'nats-server.tar.gz');
      const bytes = await download(release.urlOf(target), context.signal);
      const digest = createHash('sha256').update(bytes).digest('hex');
      if (digest !== release.sha256[target]) throw new Error(`its SHA-256 is ${digest}, not the pinned one; nothing of it was used`);
      await writeFile(archive, bytes);
      await tool(context, 'tar', ['-xzf', archive, '-C', scratch], scratch);
      return keep(context, await findFile(scratch, 'nats-server'), `release-${release.version}`);
    }),
});

async function download(url: string, signal: AbortSignal | undefined): Promise<Buffer> {
  const limit = AbortSignal.timeout(DOWNLOAD_MS_MAX);
  const response = await fetch(url, { signal: signal ? AbortSignal.any([signal, limit]) : limit });
  if (!response.ok || response.body === null) throw new Error(`${url} answered ${String(response.status)}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > DOWNLOAD_BYTES_MAX) throw new Error(`${url} is larger than ${String(DOWNLOAD_BYTES_MAX)} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Debian's package, fetched with a private apt state and unpacked into the cache: needs no root and installs nothing. */
export const debianPackage = (): NatsSource => ({
  name: "Debian's nats-server package, unpacked into the cache (nothing is installed)",
  refusal: async (context) =>
    (await hasProgram('apt-get', context.env)) && (await hasProgram('dpkg-deb', context.env))
      ? undefined
      : 'this is not a Debian or Ubuntu',
  acquire: (context) =>
    inScratch(context, async (scratch) => {
      // apt drops its privileges to a user of its own while it downloads; that user has no business in our cache.
      const state = ['State', 'Cache'].map((name) => `Dir::${name}=${join(scratch, name.toLowerCase())}`);
      const settings = [
        ...state,
        'Dir::State::status=/var/lib/dpkg/status',
        'APT::Sandbox::User=',
        'Acquire::Languages=none',
        'Acquire::Retries=1',
      ];
      const options = [...settings, 'Acquire::http::Timeout=20', 'Acquire::https::Timeout=20'].flatMap((setting) => ['-o', setting]);
      for (const folder of ['state/lists/partial', 'cache/archives/partial']) await mkdir(join(scratch, folder), { recursive: true });
      await tool(context, 'apt-get', [...options, '-q', 'update'], scratch);
      await tool(context, 'apt-get', [...options, '-q', 'download', 'nats-server'], scratch);
      const archive = (await readdir(scratch)).find((name) => name.startsWith('nats-server_') && name.endsWith('.deb'));
      if (archive === undefined) throw new Error('apt-get has no package nats-server here');
      await tool(context, 'dpkg-deb', ['-x', join(scratch, archive), join(scratch, 'unpacked')], scratch);
      const version = archive.split('_')[1] ?? 'unknown';
      return keep(context, await findFile(join(scratch, 'unpacked'), 'nats-server'), `debian-${version.replace(/[^\w.+-]/g, '-')}`);
    }),
});

const NOT_ALLOWED = 'it would change this machine, and TASKMASTER_ALLOW_INSTALL is not 1';

/** Changes the machine, so it happens only where that was allowed in so many words. */
export const systemPackage = (): NatsSource => ({
  name: 'apt-get install nats-server',
  refusal: async (context) => {
    if (!(await hasProgram('apt-get', context.env))) return 'there is no apt-get';
    if (!isRoot()) return 'it needs root';
    return context.env['TASKMASTER_ALLOW_INSTALL'] === '1' ? undefined : NOT_ALLOWED;
  },
  acquire: async (context) => {
    await tool(context, 'apt-get', ['-q', 'update'], '/');
    await tool(context, 'apt-get', ['-q', '-y', '--no-install-recommends', 'install', 'nats-server'], '/');
    return '/usr/sbin/nats-server';
  },
});

export const brewPackage = (): NatsSource => ({
  name: 'brew install nats-server',
  refusal: async (context) => {
    if (!(await hasProgram('brew', context.env))) return 'there is no brew';
    return context.env['TASKMASTER_ALLOW_INSTALL'] === '1' ? undefined : NOT_ALLOWED;
  },
  acquire: async (context) => {
    await tool(context, 'brew', ['install', 'nats-server'], '/');
    return join((await tool(context, 'brew', ['--prefix', 'nats-server'], '/')).trim(), 'bin', 'nats-server');
  },
});

/** Takes the program out of the official image; the server itself runs as a process, so that one way of watching it is enough. */
export const dockerImage = (release: NatsRelease = NATS_RELEASE): NatsSource => ({
  name: `the Docker image nats:${release.version}`,
  refusal: async (context) => {
    if (process.platform !== 'linux') return 'the image holds a program for Linux';
    return (await hasProgram('docker', context.env)) ? undefined : 'there is no docker';
  },
  acquire: (context) =>
    inScratch(context, async (scratch) => {
      const id = (await tool(context, 'docker', ['create', `nats:${release.version}`], scratch)).trim().split('\n').at(-1) ?? '';
      try {
        await tool(context, 'docker', ['cp', `${id}:/nats-server`, join(scratch, 'nats-server')], scratch);
      } finally {
        await tool({ ...context, signal: undefined }, 'docker', ['rm', '--force', id], scratch);
      }
      return keep(context, join(scratch, 'nats-server'), `docker-${release.version}`);
    }),
});

/** In the order in which they are tried. */
export const NATS_SOURCES: readonly NatsSource[] = [releaseArchive(), debianPackage(), systemPackage(), brewPackage(), dockerImage()];
