import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from '@taskmaster/provision';

/** What is installed, in exact versions. */
const MANIFEST = fileURLToPath(new URL('../../peers/packages/package.json', import.meta.url));
const OUTPUT_CHARS_MAX = 2_000;

/** A peer cannot be measured here; the message says why. */
export class PeerMissing extends Error {
  override readonly name = 'PeerMissing';
}

/**
 * The folder whose node_modules holds the peers, installed into the cache on first use. They are no dependency of the product.
 * @throws PeerMissing when they cannot be installed
 */
export async function peerPackages(say: (text: string) => void): Promise<string> {
  const home = join(cacheDirectory(), 'peers');
  const wanted = await readFile(MANIFEST, 'utf8');
  const installed = join(home, 'installed.json');
  if (existsSync(installed) && (await readFile(installed, 'utf8')) === wanted) return home;
  say(`installing the peers into ${home} (npm install), once; about 250 MB …`);
  await mkdir(home, { recursive: true });
  await rm(installed, { force: true });
  await copyFile(MANIFEST, join(home, 'package.json'));
  const args = ['install', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--loglevel=error'];
  const { code, output } = await npm(args, home);
  if (code !== 0) throw new PeerMissing(`npm could not install the peers into ${home}: ${output}`);
  await copyFile(MANIFEST, installed);
  return home;
}

function npm(args: readonly string[], cwd: string): Promise<{ readonly code: number; readonly output: string }> {
  return new Promise((settle) => {
    const child = spawn('npm', [...args], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-OUTPUT_CHARS_MAX)));
    child.once('error', (error) => {
      settle({ code: 1, output: error.message });
    });
    child.once('close', (code) => {
      settle({ code: code ?? 1, output: output.trim() });
    });
  });
}

/** @throws PeerMissing */
export function loadPeer<T>(home: string, name: string): T {
  try {
    return createRequire(join(home, 'package.json'))(name) as T;
  } catch (error) {
    throw new PeerMissing(`${name} cannot be loaded from ${home}`, { cause: error });
  }
}

/** The version of an installed peer. */
async function peerVersion(home: string, name: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(home, 'node_modules', name, 'package.json'), 'utf8')) as { readonly version: string };
  return manifest.version;
}

/** The server's program, which comes as a package for this platform. @throws PeerMissing */
export function restateServer(home: string): string {
  const path = join(home, 'node_modules', '@restatedev', `restate-server-${process.platform}-${process.arch}`, 'bin', 'restate-server');
  if (existsSync(path)) return path;
  throw new PeerMissing(`there is no Restate server for ${process.platform} ${process.arch}`);
}

/** The versions of the peers that are installed, by name. */
export async function installedPeers(): Promise<Readonly<Record<string, string>>> {
  const home = join(cacheDirectory(), 'peers');
  if (!existsSync(join(home, 'installed.json'))) return {};
  const names = [
    ['Restate server', '@restatedev/restate-server'],
    ['Restate SDK', '@restatedev/restate-sdk'],
    ['DBOS', '@dbos-inc/dbos-sdk'],
  ] as const;
  const versions: Record<string, string> = {};
  for (const [title, name] of names) versions[title] = await peerVersion(home, name);
  return versions;
}
