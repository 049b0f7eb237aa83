import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { measureFlush } from './disk.js';
import { median, medianPhases, type PhaseFigures } from './figures.js';
import { parsePeersOptions } from './options.js';
import { startRecoveryLoad } from './recovery-load.js';
import { runShape } from './roles/shapes.js';

const phase = (perSecond: number, changes: Partial<PhaseFigures> = {}): PhaseFigures => ({
  ...{ workflows: 10, failed: 0, perSecond, p50: 1, p95: 1, p99: 1, cpuMs: 1, cpuMsBy: { a: perSecond } },
  ...{ deviceFlushes: null, walFlushes: 4, walBytes: 5, peakPssMiB: 6 },
  ...changes,
});

describe('medians over rounds', () => {
  it('are the value in the middle, or the mean of the two there', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  it('are taken figure by figure, failures added up, and what no round knows stays unknown', () => {
    const rounds = [phase(3, { failed: 1 }), phase(1, { cpuMsBy: { b: 1 } }), phase(2)].map((figures) => ({ 'diamond5-c1': figures }));
    expect(medianPhases(rounds)['diamond5-c1']).toMatchObject({
      perSecond: 2,
      failed: 1,
      deviceFlushes: null,
      walFlushes: 4,
      cpuMsBy: { a: 2, b: 0 },
    });
  });
});

describe('the work', () => {
  const trace = async (shape: 'chain' | 'diamond', steps: number): Promise<readonly string[]> => {
    const seen: string[] = [];
    const step = async (name: string): Promise<void> => {
      seen.push(`>${name}`);
      await Promise.resolve();
      seen.push(`<${name}`);
    };
    await runShape({ shape, steps }, step);
    return seen;
  };

  it('is one step after the other as a chain', async () => {
    expect(await trace('chain', 3)).toEqual(['>s1', '<s1', '>s2', '<s2', '>s3', '<s3']);
  });

  it('is a first step, all but two at once, and a last as a diamond', async () => {
    expect(await trace('diamond', 4)).toEqual(['>a', '<a', '>m1', '>m2', '<m1', '<m2', '>e', '<e']);
  });
});

describe('the load of a recovery', () => {
  it('asks again with the same key until it has an answer, and starts nothing new at the end', async () => {
    const asked: string[] = [];
    const load = startRecoveryLoad(
      async (key) => {
        asked.push(key);
        await Promise.resolve();
        if (asked.length < 3) throw new Error('connection lost');
        load.finish();
      },
      { concurrency: 1, again: true },
    );
    await load.done;
    expect(asked).toEqual(['caller-0-0', 'caller-0-0', 'caller-0-0']);
    expect(load.flights).toMatchObject([{ key: 'caller-0-0', lostCalls: 2 }]);
    expect(load.flights[0]?.end).toBeDefined();
  });

  it('leaves a lost call without an answer where the engine knows no keys', async () => {
    const load = startRecoveryLoad(() => Promise.reject(new Error('connection lost')), { concurrency: 2, again: false });
    await load.done;
    expect(load.flights.map(({ end, lostCalls }) => [end, lostCalls])).toEqual([
      [undefined, 1],
      [undefined, 1],
    ]);
  });
});

describe('the disk', () => {
  it('is timed by real flushes', () => {
    const directory = mkdtempSync(join(tmpdir(), 'taskmaster-flush-'));
    const times = measureFlush(directory, 20);
    rmSync(directory, { recursive: true });
    expect(times.samples).toBeGreaterThan(0);
    expect(times.p99).toBeGreaterThanOrEqual(times.p50);
  });
});

describe('the options of the peers', () => {
  it('measure everything in three rounds by default, into the documents', () => {
    expect(parsePeersOptions([])).toMatchObject({ rounds: 3, quick: false, directory: 'docs/results/performance' });
  });

  it('keep what is quick or partial out of the documents unless told', () => {
    expect(parsePeersOptions(['--quick'])).toMatchObject({ rounds: 1, directory: 'results/performance' });
    expect(parsePeersOptions(['--only', 'restate,ours'])).toMatchObject({ only: ['ours', 'restate'], directory: 'results/performance' });
    expect(parsePeersOptions(['--quick', '--json-dir', 'x'])).toMatchObject({ directory: 'x' });
  });

  it.each([
    ['--only', 'nobody'],
    ['--rounds', '0'],
    ['--parts', 'all'],
  ])('refuse %s %s in a sentence', (...args) => {
    expect(parsePeersOptions(args)).toHaveProperty('wrong');
  });
});
