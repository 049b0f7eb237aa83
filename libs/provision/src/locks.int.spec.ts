import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { acquireLock, identify, isSameProcess, pollUntil } from './index.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'taskmaster-locks-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('acquireLock', () => {
  it('gives the lock to one of many, and to the next after its release', async () => {
    const path = join(directory, 'lock');
    const outcomes = await Promise.all(Array.from({ length: 10 }, () => acquireLock(path, 'here')));
    const winners = outcomes.filter((outcome) => outcome.kind === 'acquired');
    expect(winners).toHaveLength(1);
    expect(outcomes.find((outcome) => outcome.kind === 'held')).toMatchObject({ by: { pid: process.pid }, note: 'here' });
    for (const winner of winners) await winner.release();
    expect((await acquireLock(path)).kind).toBe('acquired');
    expect(await readdir(directory)).toEqual(['lock']);
  });

  it('takes over from a holder that is dead, although its pid is in use again', async () => {
    const path = join(directory, 'lock');
    for (let round = 0; round < 30; round += 1) {
      await writeFile(path, JSON.stringify({ pid: process.pid, startedAt: `another time, ${String(round)}`, note: '' }));
      const outcomes = await Promise.all(Array.from({ length: 10 }, () => acquireLock(path)));
      expect(outcomes.filter((outcome) => outcome.kind === 'acquired')).toHaveLength(1);
      expect(await readdir(directory)).toEqual(['lock']);
    }
  });
});

describe('a lock file that a power cut has emptied', () => {
  it("is nobody's", async () => {
    const path = join(directory, 'lock');
    await writeFile(path, '');
    expect((await acquireLock(path)).kind).toBe('acquired');
    expect((await acquireLock(path)).kind).toBe('held');
  });
});

describe('identify', () => {
  it('tells a process from a later one, and a zombie from the living', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });
    const identity = await identify(child.pid ?? 0);
    if (identity === undefined) throw new Error('the child does not live');
    expect(await isSameProcess(identity)).toBe(true);
    expect(await isSameProcess({ ...identity, startedAt: 'another time' })).toBe(false);
    child.stdin.end();
    expect(await pollUntil(async () => !(await isSameProcess(identity)), { deadlineMs: 5_000 })).toBe(true);
    expect(await identify(identity.pid)).toBeUndefined();
  });
});
