import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { cacheDirectory, isAlive, isRoot, isSameProcess, removePostgres, signalProcess, stopNats } from '@taskmaster/provision';
import { eventually } from '@taskmaster/testing';
import { readRecord, startPlatform, type Platform, type PlatformOptions, type PlatformProcess } from './index.js';
import { DRIVER } from './testing/driver.js';
import { makeStandIn, type StandIn } from './testing/stand-in.js';

// Real servers and processes, on machines that may be busy.
jest.setTimeout(60_000);

const run = promisify(execFile);
const PATH = '/usr/local/bin:/usr/bin:/bin';

let standIn: StandIn;
const platforms: Platform[] = [];
const children: ChildProcess[] = [];

beforeEach(async () => {
  standIn = await makeStandIn();
});

afterEach(async () => {
  for (const child of children.splice(0)) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await Promise.all(platforms.splice(0).map((platform) => platform.stop()));
  await stopNats(join(standIn.data, 'nats'));
  await removePostgres(join(standIn.data, 'postgres'));
  await standIn.remove();
});

async function up(options: Partial<PlatformOptions> = {}): Promise<Platform> {
  const env = { PATH, GATEWAY_PORT: '0', ...options.env };
  const platform = await startPlatform({ data: standIn.data, home: standIn.home, ...options, env });
  platforms.push(platform);
  return platform;
}

const refusal = async (options: Partial<PlatformOptions> = {}): Promise<string> =>
  up(options).then(
    () => 'it started',
    (error: unknown) => (error as Error).message,
  );

const named = (platform: Platform, name: string): PlatformProcess => {
  const found = platform.processes().find((entry) => entry.name === name);
  if (found === undefined) throw new Error(`${name} does not run`);
  return found;
};

const bodyOf = async (address: string): Promise<string> => (await fetch(address)).text();

const firstAgent = async (): Promise<string> =>
  (await standIn.environmentOf('engine'))['SIMULATED_AGENT_URLS']?.split(',')[0] ?? 'no agent';

/** The processes whose command line names this test's directory: servers, services and whatever they start. */
async function runningHere(): Promise<readonly string[]> {
  const root = standIn.data.replace(/\/data$/, '');
  const lines: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(root) && (await isAlive(Number(pid)))) lines.push(`${pid} ${command.replaceAll('\0', ' ')}`);
  }
  return lines;
}

/** Runs the platform in a process of its own, as the command does. */
async function drive(
  become: readonly string[] = [],
): Promise<{ readonly child: ChildProcess; output(): string; readonly exit: Promise<number | null> }> {
  const driver = join(standIn.home, 'driver.js');
  await writeFile(driver, DRIVER);
  const env = { PATH, GATEWAY_PORT: '0', TASKMASTER_CACHE: cacheDirectory() };
  const [program = '', ...args] = [...become, process.execPath, driver, standIn.data, standIn.home];
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let text = '';
  const keep = (chunk: Buffer): void => void (text += chunk.toString());
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return { child, output: () => text, exit: new Promise((settle) => child.once('exit', settle)) };
}

describe('starting and stopping', () => {
  it.each([
    { apart: false, processes: ['engine', 'gateway', 'nlp-service', 'simulated-agent'], last: ['engine', 'simulated-agent'] },
    {
      apart: true,
      processes: ['agent-coordinator', 'gateway', 'nlp-service', 'simulated-agent', 'state-service'],
      last: ['simulated-agent', 'state-service'],
    },
  ])('starts the servers and $processes, and stops them in their order', async ({ apart, processes, last }) => {
    const platform = await up({ apart });
    expect(await bodyOf(platform.address)).toBe('gateway');
    const running = platform.processes().map(({ name }) => name);
    expect(running.sort()).toEqual(['NATS', 'Postgres', ...processes]);
    await platform.stop();
    expect(await platform.ended).toEqual({ kind: 'stopped' });
    const ends = await standIn.ends();
    expect(ends[0]).toBe('gateway asked');
    expect(ends.slice(-2).sort()).toEqual(last.map((name) => `${name} asked`));
    expect([ends.length, await runningHere()]).toEqual([processes.length, []]);
  });

  it('goes on with the same database, broker and key the next time', async () => {
    const first = await up();
    await first.stop();
    const second = await up();
    expect(second.databaseUrl).toBe(first.databaseUrl);
    expect(second.natsUrl).toBe(first.natsUrl);
    expect(second.apiKey).toBe(first.apiKey);
    expect(await standIn.migrations()).toEqual([first.databaseUrl, first.databaseUrl]);
  });
});

describe('keeping it running', () => {
  it.each(['engine', 'gateway', 'simulated-agent'])('starts %s again after kill -9', async (name) => {
    const platform = await up();
    const agent = await firstAgent();
    const before = named(platform, name);
    signalProcess(before.pid, 'SIGKILL');
    await eventually(() => named(platform, name).pid !== before.pid, { what: `a new ${name}` });
    expect(await bodyOf(platform.address)).toBe('gateway');
    expect(await bodyOf(agent)).toBe('simulated-agent');
    await eventually(async () => (await readRecord(platform.data))?.services[name]?.pid === named(platform, name).pid);
  });

  it.each(['Postgres', 'NATS'])('starts %s again on the same port after kill -9', async (name) => {
    const platform = await up();
    const before = named(platform, name);
    signalProcess(before.pid, 'SIGKILL');
    await eventually(() => named(platform, name).pid !== before.pid, { deadlineMs: 20_000, what: `a new ${name}` });
    const { port } = new URL(name === 'NATS' ? platform.natsUrl : platform.databaseUrl);
    expect(await isListening(Number(port))).toBe(true);
  });

  it('stops everything with one message when a service cannot be kept alive', async () => {
    const platform = await up();
    await standIn.spoil('nlp-service', 'broken');
    signalProcess(named(platform, 'nlp-service').pid, 'SIGKILL');
    const end = await platform.ended;
    expect(end).toMatchObject({ kind: 'failed', fault: { code: 'service-failed' } });
    expect(end.kind === 'failed' && end.fault.message).toContain('cannot work: no luck today');
    expect(await runningHere()).toEqual([]);
  });

  it('restarts a service whose code has changed, when watching', async () => {
    const platform = await up({ watch: true });
    const [service, other] = [named(platform, 'nlp-service'), named(platform, 'gateway')];
    const file = join(standIn.home, 'apps', 'nlp-service', 'dist', 'main.js');
    await writeFile(file, `${await readFile(file, 'utf8')}\n`);
    await eventually(() => named(platform, 'nlp-service').pid !== service.pid, { what: 'a restart' });
    expect(named(platform, 'gateway').pid).toBe(other.pid);
  });
});

describe('what goes wrong at the start', () => {
  it('says that a port is taken, and leaves nothing running', async () => {
    const server = createServer();
    await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const message = await refusal({ port });
    expect(message).toContain(`Port ${String(port)} is taken`);
    expect(message).toContain('--port');
    expect(await runningHere()).toEqual([]);
    await new Promise((settle) => server.close(settle));
  });

  it('says that the server it is told to use does not answer, without its password', async () => {
    const postgres = await refusal({ env: { DATABASE_URL: 'postgres://me:secret@127.0.0.1:1/db' } });
    expect(postgres).toMatch(/Postgres does not answer at 127\.0\.0\.1:1\.\n {2}What to do: .*DATABASE_URL/);
    expect(postgres).not.toContain('secret');
    expect(await refusal({ env: { NATS_URL: 'nats://127.0.0.1:1' } })).toMatch(/NATS does not answer at 127\.0\.0\.1:1/);
    expect(await runningHere()).toEqual([]);
  });

  it('shows the end of the log of a service that does not start, and leaves nothing running', async () => {
    await standIn.spoil('engine', 'broken');
    const message = await refusal();
    expect(message).toContain('engine ended with exit code 1');
    expect(message).toContain('no luck today');
    expect(await runningHere()).toEqual([]);
  });

  it('says why a migration failed, and starts when the cause is gone', async () => {
    await standIn.spoil('migration', 'broken');
    expect(await refusal()).toContain('relation is in the way');
    expect(await runningHere()).toEqual([]);
    await standIn.repair('migration', 'broken');
    await up();
  });

  it('says which migration does not fit the database and what to do, and leaves nothing running', async () => {
    const program = `console.log('{"kind":"differs","detail":"it is newer.","remedy":"restore the file."}'); process.exitCode = 4;`;
    await writeFile(join(standIn.home, 'apps', 'state-service', 'dist', 'migrate.js'), program);
    const expected = 'The database does not fit this version of TaskMaster: it is newer.\n  What to do: restore the file.';
    expect(await refusal()).toBe(expected);
    expect(await runningHere()).toEqual([]);
  });

  it('says that the services are not built', async () => {
    await rm(join(standIn.home, 'apps', 'gateway', 'dist'), { recursive: true });
    expect(await refusal()).toContain('run `npm run build`');
  });

  it('names the address of the platform that runs on the same data already', async () => {
    const platform = await up();
    const message = await refusal();
    expect(message).toContain(`already runs on ${standIn.data}`);
    expect(message).toContain(platform.address);
    expect(await bodyOf(platform.address)).toBe('gateway');
  });

  it('says that Postgres cannot start on data of another version', async () => {
    await (await up()).stop();
    const cluster = await readFile(join(standIn.data, 'postgres', 'cluster', 'PG_VERSION'), 'utf8');
    await writeFile(join(standIn.data, 'postgres', 'cluster', 'PG_VERSION'), '9.6\n');
    expect(await refusal()).toContain('was made by Postgres 9.6');
    expect(await runningHere()).toEqual([]);
    await writeFile(join(standIn.data, 'postgres', 'cluster', 'PG_VERSION'), cluster);
  });

  it('says that the data directory cannot be made', async () => {
    const places = [join(standIn.home, 'package.json', 'data'), ...(process.platform === 'linux' ? ['/proc/taskmaster/data'] : [])];
    for (const data of places) expect(await refusal({ data })).toContain('cannot be written');
  });
});

describe('Ctrl-C and kill -9', () => {
  it('leaves nothing running when interrupted at any moment of the start', async () => {
    for (const moment of ['starting Postgres', 'starting the services', 'up at']) {
      const { child, output, exit } = await drive();
      await eventually(() => output().includes(moment), { deadlineMs: 20_000, what: moment });
      child.kill('SIGINT');
      await exit;
      expect(await runningHere()).toEqual([]);
    }
  });

  it('ends a start that hangs when interrupted', async () => {
    await standIn.spoil('gateway', 'slow');
    const { child, output, exit } = await drive();
    await eventually(() => output().includes('starting the services'), { deadlineMs: 20_000 });
    await eventually(() => standIn.environmentOf('gateway'), { deadlineMs: 20_000, what: 'the gateway' });
    child.kill('SIGINT');
    await exit;
    expect(await runningHere()).toEqual([]);
  });

  it('takes over what was left when the supervisor was killed', async () => {
    const { child, output, exit } = await drive();
    await eventually(() => output().includes('up at'), { deadlineMs: 20_000 });
    const before = await readRecord(standIn.data);
    child.kill('SIGKILL');
    await exit;
    const platform = await up();
    expect(named(platform, 'Postgres').pid).toBe(before?.servers['Postgres']?.pid);
    expect(named(platform, 'NATS').pid).toBe(before?.servers['NATS']?.pid);
    for (const identity of Object.values(before?.services ?? {})) expect(await isSameProcess(identity)).toBe(false);
    await platform.stop();
    expect(await runningHere()).toEqual([]);
  });

  it('starts again after kill -9 of everything at once', async () => {
    const { child, output, exit } = await drive();
    await eventually(() => output().includes('up at'), { deadlineMs: 20_000 });
    const record = await readRecord(standIn.data);
    child.kill('SIGKILL');
    for (const { pid } of [...Object.values(record?.servers ?? {}), ...Object.values(record?.services ?? {})])
      signalProcess(pid, 'SIGKILL');
    await exit;
    const platform = await up();
    expect(await bodyOf(platform.address)).toBe('gateway');
  });
});

function isListening(port: number): Promise<boolean> {
  return new Promise((settle) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      settle(true);
    });
    socket.once('error', () => {
      settle(false);
    });
  });
}

const mayRead = (as: readonly string[], file: string): Promise<boolean> =>
  run(as[0] ?? '', [...as.slice(1), 'test', '-r', file]).then(
    () => true,
    () => false,
  );

describe('where it keeps things', () => {
  it('works for an ordinary user, from a folder and with data of mode 0700', async () => {
    if (!isRoot()) return loudly('only root can become another user; the other specs ran as an ordinary user already');
    const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
    if (!(await mayRead(asNobody, fileURLToPath(import.meta.url)))) return loudly('this checkout lies where no other user may read it');
    await run('chown', ['-R', '65534:65534', join(standIn.data, '..')]);
    await chmod(join(standIn.data, '..'), 0o700);
    const { child, output, exit } = await drive(asNobody);
    await eventually(() => output().includes('up at'), { deadlineMs: 30_000, what: 'the start' });
    const record = await readRecord(standIn.data);
    const owners = await Promise.all(
      [...Object.values(record?.servers ?? {}), ...Object.values(record?.services ?? {})].map(
        async ({ pid }) => (await stat(`/proc/${String(pid)}`)).uid,
      ),
    );
    expect(owners).toEqual(Array.from({ length: 6 }, () => 65_534));
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(await runningHere()).toEqual([]);
  });

  it('says that the disk is full, and leaves nothing running', async () => {
    if (!isRoot()) return loudly('a small disk can only be mounted by root');
    const disk = join(standIn.home, 'disk');
    await mkdir(disk);
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=16m,mode=0711', 'tmpfs', disk]).catch(() => undefined);
    if (mounted === undefined) return loudly('mounting is not allowed here');
    try {
      const message = await refusal({ data: join(disk, 'data') });
      expect(message).toMatch(/is full[\s\S]*--data/);
      expect(await runningHere()).toEqual([]);
    } finally {
      await run('umount', [disk]);
    }
  });

  it.each(['data', 'workspaces'])(
    'stops with one message when the disk of the %s becomes full, and goes on when there is room again',
    async (what) => {
      if (!isRoot()) return loudly('a small disk can only be mounted by root');
      const disk = join(standIn.home, 'disk');
      const filling = join(disk, 'filling');
      await mkdir(disk);
      const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=200m,mode=0711', 'tmpfs', disk]).catch(() => undefined);
      if (mounted === undefined) return loudly('mounting is not allowed here');
      try {
        const options = what === 'data' ? { data: join(disk, 'data') } : { env: { WORKSPACES_DIR: disk } };
        const first = await up(options);
        await run('dd', ['if=/dev/zero', `of=${filling}`, 'bs=1M']).catch(() => undefined);
        const end = await first.ended;
        expect(end.kind === 'failed' && end.fault.message).toMatch(/is full[\s\S]*free some space/);
        expect(await runningHere()).toEqual([]);
        await rm(filling);
        const second = await up(options);
        expect(await bodyOf(second.address)).toBe('gateway');
        await second.stop();
      } finally {
        await run('umount', [disk]);
      }
    },
  );

  it('works below a folder of mode 0700', async () => {
    const folder = join(standIn.home, 'private');
    await mkdir(folder, { mode: 0o700 });
    const platform = await up({ data: join(folder, 'data') });
    expect(await bodyOf(platform.address)).toBe('gateway');
    await platform.stop();
    await removePostgres(join(folder, 'data', 'postgres'));
  });
});

function loudly(reason: string): void {
  process.stderr.write(`SKIPPED: ${String(expect.getState().currentTestName)}: ${reason}\n`);
}
