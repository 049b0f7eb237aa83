import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { findNats, type NatsSource } from './index.js';
import { brewPackage, debianPackage, dockerImage, releaseArchive, systemPackage } from './nats-sources.js';

jest.setTimeout(120_000);

const run = promisify(execFile);
const TARGET = `${process.platform}-${process.arch}`;
/** A program that answers as nats-server does when it is asked for its version, to tell where it came from. */
const programOf = (version: string): string => `#!/bin/sh\necho "nats-server: v${version}"\n`;

let root: string;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'taskmaster-nats-'));
  env = { PATH: join(root, 'bin'), TASKMASTER_CACHE: join(root, 'cache') };
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function place(path: string, version: string): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, programOf(version));
  await chmod(path, 0o755);
}

const failing = (name: string, reason: string): NatsSource => ({
  name,
  refusal: () => Promise.resolve(undefined),
  acquire: () => Promise.reject(new Error(reason)),
});

describe('finding a nats-server', () => {
  it('prefers the one on PATH to one in the cache', async () => {
    await place(join(root, 'bin', 'nats-server'), '2.10.1');
    await place(join(root, 'cache', 'nats-server', 'release-2.12.0', 'nats-server'), '2.12.0');
    expect(await findNats({ env, sources: [] })).toMatchObject({ version: '2.10.1', source: 'PATH' });
  });

  it('takes one from the cache when that on PATH is too old or broken', async () => {
    await place(join(root, 'bin', 'nats-server'), '2.8.4');
    await place(join(root, 'cache', 'nats-server', 'a', 'nats-server'), 'broken');
    await place(join(root, 'cache', 'nats-server', 'b', 'nats-server'), '2.9.10');
    expect(await findNats({ env, sources: [] })).toMatchObject({ version: '2.9.10', source: 'cache' });
  });

  it('tries the sources in their order until one works, and says what it does', async () => {
    const said: string[] = [];
    const working: NatsSource = {
      name: 'the shelf',
      refusal: () => Promise.resolve(undefined),
      acquire: async ({ cache }) => {
        await place(join(cache, 'shelf', 'nats-server'), '2.11.0');
        return join(cache, 'shelf', 'nats-server');
      },
    };
    const sources = [failing('the net', 'offline'), working, failing('never', 'asked')];
    expect(await findNats({ env, sources, onProgress: (message) => said.push(message) })).toMatchObject({ source: 'the shelf' });
    expect(said.join('\n')).toMatch(/the net[\s\S]*the shelf/);
    expect(said.join('\n')).not.toContain('never');
  });

  it('lists every way with the reason why it failed, and what to do', async () => {
    const sources = [failing('the net', 'offline'), systemPackage(), brewPackage(), dockerImage(), debianPackage()];
    const refused = findNats({ env, sources });
    await expect(refused).rejects.toMatchObject({ code: 'no-binary' });
    const { message } = (await refused.catch((error: unknown) => error)) as Error;
    for (const part of [
      'the net: offline',
      'there is no apt-get',
      'there is no brew',
      'NATS_URL',
      'apt-get install nats-server',
      'Docker',
    ]) {
      expect(message).toContain(part);
    }
  });

  it('says that there is no place for a download', async () => {
    await writeFile(join(root, 'file'), '');
    const lost = findNats({ env: { ...env, TASKMASTER_CACHE: join(root, 'file', 'cache') } });
    await expect(lost).rejects.toMatchObject({ code: 'unreachable-directory', message: expect.stringContaining('TASKMASTER_CACHE') });
  });

  it('does not change the machine unless that is allowed', async () => {
    await place(join(root, 'bin', 'apt-get'), '0');
    await place(join(root, 'bin', 'brew'), '0');
    const context = { cache: join(root, 'cache'), env };
    expect(await brewPackage().refusal(context)).toContain('TASKMASTER_ALLOW_INSTALL');
    expect(await systemPackage().refusal(context)).toMatch(/TASKMASTER_ALLOW_INSTALL|needs root/);
    expect(await brewPackage().refusal({ ...context, env: { ...env, TASKMASTER_ALLOW_INSTALL: '1' } })).toBeUndefined();
  });
});

describe('the release archive', () => {
  let server: Server;
  let archive: Buffer;

  beforeEach(async () => {
    await place(join(root, 'made', 'nats-server-v2.12.99', 'nats-server'), '2.12.99');
    await run('tar', ['-czf', join(root, 'made.tar.gz'), '-C', join(root, 'made'), 'nats-server-v2.12.99']);
    archive = await readFile(join(root, 'made.tar.gz'));
    server = createServer((request, response) => {
      response.statusCode = request.url === '/archive' ? 200 : 404;
      response.end(request.url === '/archive' ? archive : 'nothing');
    });
    await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
    env['PATH'] = '/usr/bin:/bin';
  });
  afterEach(() => new Promise((settle) => server.close(settle)));

  const release = (sha256: string, path = '/archive') => {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    return releaseArchive({ version: '2.12.99', sha256: { [TARGET]: sha256 }, urlOf: () => `http://127.0.0.1:${String(port)}${path}` });
  };
  const acquire = (source: NatsSource) => source.acquire({ cache: join(root, 'cache'), env });

  it('is downloaded, checked and unpacked into the cache', async () => {
    const path = await acquire(release(createHash('sha256').update(archive).digest('hex')));
    expect(path).toBe(join(root, 'cache', 'release-2.12.99', 'nats-server'));
    expect((await run(path, ['--version'])).stdout).toContain('2.12.99');
    expect(await readdir(join(root, 'cache'))).toEqual(['release-2.12.99']);
  });

  it('is refused when its checksum is not the pinned one, and leaves nothing behind', async () => {
    await expect(acquire(release('0'.repeat(64)))).rejects.toThrow(/not the pinned one/);
    expect(await readdir(join(root, 'cache'))).toEqual([]);
  });

  it('fails with the status when it is not there', async () => {
    await expect(acquire(release('0'.repeat(64), '/elsewhere'))).rejects.toThrow(/answered 404/);
  });

  it('is offered only where a checksum is pinned', async () => {
    const none = releaseArchive({ version: '1.0.0', sha256: {}, urlOf: () => 'http://127.0.0.1:1/' });
    expect(await none.refusal({ cache: root, env })).toContain('no pinned archive');
    if (process.platform === 'linux') expect(await releaseArchive().refusal({ cache: root, env })).toBeUndefined();
  });
});

describe("Debian's package", () => {
  it('is refused where there is no apt-get', async () => {
    expect(await debianPackage().refusal({ cache: root, env })).toContain('not a Debian');
  });

  it('is unpacked into the cache without installing anything', async () => {
    env['PATH'] = '/usr/sbin:/usr/bin:/sbin:/bin';
    const context = { cache: join(root, 'cache'), env: { ...process.env, ...env } };
    const refusal = await debianPackage().refusal(context);
    if (refusal !== undefined) return loudly(refusal);
    const before = await installed();
    const outcome = await debianPackage()
      .acquire(context)
      .catch((error: unknown) => error as Error & { readonly stderr?: string });
    if (outcome instanceof Error && /resolv|connect|timed out|Unable to fetch/i.test(`${outcome.message}${outcome.stderr ?? ''}`)) {
      return loudly('no package server can be reached');
    }
    expect(outcome).toMatch(/debian-.*\/nats-server$/);
    expect((await run(String(outcome), ['--version'])).stdout).toContain('nats-server');
    expect((await readdir(context.cache)).every((name) => name.startsWith('debian-'))).toBe(true);
    expect(await installed()).toBe(before);
  });
});

const installed = (): Promise<string> => run('dpkg-query', ['-W']).then(({ stdout }) => stdout);

function loudly(reason: string): void {
  process.stderr.write(`SKIPPED: ${String(expect.getState().currentTestName)}: ${reason}\n`);
}
