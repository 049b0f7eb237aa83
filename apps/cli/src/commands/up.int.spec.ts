import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cacheDirectory, isSameProcess, removePostgres, stopNats } from '@taskmaster/provision';
import { eventually } from '@taskmaster/testing';
import { readRecord } from '../platform/index.js';

const PATH = '/usr/local/bin:/usr/bin:/bin';
const UP_MS_MAX = 60_000;

let root: string;
const running: ChildProcess[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'taskmaster-up-'));
});
afterEach(async () => {
  for (const child of running.splice(0)) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  await stopNats(join(root, 'data', 'nats'));
  await removePostgres(join(root, 'data', 'postgres'));
  await rm(root, { recursive: true, force: true });
});

interface Command {
  readonly child: ChildProcess;
  said(): string;
  readonly exit: Promise<number | null>;
}

/** Runs the command line as a person does. */
function taskMaster(...args: readonly string[]): Command {
  const env = { PATH, TASKMASTER_CACHE: cacheDirectory() };
  const child = spawn(process.execPath, [resolve('apps/cli/dist/main.js'), '--data', join(root, 'data'), ...args], { env });
  running.push(child);
  let text = '';
  const keep = (chunk: Buffer): void => {
    text += chunk.toString('utf8');
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return { child, said: () => text, exit: new Promise((settle) => child.once('close', settle)) };
}

describe('task-master up', () => {
  it.each([
    { options: [], count: 6 },
    { options: ['--apart'], count: 7 },
  ])(
    'with the options $options says at once that it stops, and leaves nothing of its $count processes running',
    async ({ options, count }) => {
      const up = taskMaster('up', '--port', '0', ...options);
      await eventually(() => up.said().includes('TaskMaster runs'), { what: 'a platform that runs', deadlineMs: UP_MS_MAX });
      const record = await readRecord(join(root, 'data'));
      const processes = Object.values({ ...record?.servers, ...record?.services });
      expect(processes).toHaveLength(count);

      const second = taskMaster('up', '--port', '0');
      expect(await second.exit).toBe(1);
      expect(second.said()).toContain('already runs on');

      up.child.kill('SIGINT');
      const states: (boolean | undefined)[] = [];
      up.child.stderr?.once('data', () => states.push(up.child.exitCode === null && up.said().includes('stopping')));
      expect(await up.exit).toBe(0);
      // The next thing it said after Ctrl-C, while it still ran.
      expect(states).toEqual([true]);
      expect(up.said()).toContain('stopped; everything is kept');
      expect(await Promise.all(processes.map((identity) => isSameProcess(identity)))).toEqual(processes.map(() => false));
    },
    UP_MS_MAX * 2,
  );

  it('that is interrupted while it starts says so', async () => {
    const up = taskMaster('up', '--port', '0');
    await eventually(() => up.said().includes('starting'), { what: 'the start', deadlineMs: UP_MS_MAX });
    up.child.kill('SIGINT');
    expect(await up.exit).toBe(130);
    expect(up.said()).toContain('stopped before it had started');
  }, 60_000);
});
