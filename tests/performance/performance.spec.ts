import { describe, expect, it } from '@jest/globals';
import { IDLE_LIMITS, isIdleEnough } from './idle.js';
import { closedLoop, quantile } from './load.js';
import { parseOptions } from './options.js';
import { planOf } from './plan-shapes.js';
import { ProcessCosts, spentBetween, sum } from './processes.js';

describe('the load', () => {
  it('makes as many calls as asked for, never more at once than allowed', async () => {
    let running = 0;
    let most = 0;
    const result = await closedLoop(
      async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
      },
      { count: 25, concurrency: 4 },
    );
    expect(result).toMatchObject({ completed: 25, failed: 0 });
    expect(most).toBe(4);
  });

  it('counts failures apart and names the first', async () => {
    const result = await closedLoop(() => Promise.reject(new Error('refused')), { count: 3, concurrency: 1 });
    expect(result).toMatchObject({ completed: 0, failed: 3, firstFailure: 'refused' });
  });

  it('gives up a load that only fails', async () => {
    const result = await closedLoop(() => Promise.reject(new Error('refused')), { count: 100_000, concurrency: 10 });
    expect(result.failed).toBeLessThan(100);
  });

  it('takes quantiles of sorted samples', () => {
    const samples = Array.from({ length: 100 }, (_, index) => index + 1);
    expect([0.5, 0.95, 0.99, 1].map((q) => quantile(samples, q))).toEqual([50, 95, 99, 100]);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe('the plans', () => {
  it('are a first step, all but two at once, and a last', () => {
    expect(planOf('diamond', 5).steps.map(({ id, dependsOn }) => [id, dependsOn])).toEqual([
      ['a', []],
      ['m1', ['a']],
      ['m2', ['a']],
      ['m3', ['a']],
      ['e', ['m1', 'm2', 'm3']],
    ]);
  });

  it('are one step after the other as a chain', () => {
    expect(planOf('chain', 3).steps.map(({ id, dependsOn }) => [id, dependsOn])).toEqual([
      ['s1', []],
      ['s2', ['s1']],
      ['s3', ['s2']],
    ]);
  });
});

describe('the options', () => {
  it('have defaults and take what is given', () => {
    expect(parseOptions([])).toEqual({ workflows: 2000, concurrent: 100, steps: 5, shape: 'diamond' });
    expect(parseOptions(['--workflows', '10', '--concurrent', '2', '--shape', 'chain', '--json', 'f.json'])).toMatchObject({
      workflows: 10,
      shape: 'chain',
      json: 'f.json',
    });
  });

  it('may ask for nothing but an idle platform', () => {
    expect(parseOptions(['--idle', '30'])).toMatchObject({ idle: 30 });
    expect(parseOptions([])).not.toHaveProperty('idle');
  });

  it.each([['--workflows', '0'], ['--idle', '0'], ['--concurrent', 'many'], ['--shape', 'ring'], ['--nonsense']])(
    'refuse %s %s in a sentence',
    (...args) => {
      expect(typeof parseOptions(args)).toBe('string');
    },
  );
});

describe('an idle platform', () => {
  const figures = { seconds: 20, corePercent: 3, corePercentBy: { gateway: 3 }, queriesPerSecond: 5, limits: IDLE_LIMITS };

  it('is idle enough up to both limits', () => {
    expect(isIdleEnough(figures)).toBe(true);
    expect(isIdleEnough({ ...figures, corePercent: 3.01 })).toBe(false);
    expect(isIdleEnough({ ...figures, queriesPerSecond: 5.01 })).toBe(false);
  });
});

describe('the costs of processes', () => {
  it('are counted by the nearest root, this process among them', () => {
    const costs = new ProcessCosts(() => new Map([[process.pid, 'here']]));
    expect(Object.keys(costs.cpu())).toEqual(['here']);
    expect(costs.cpu()['here']).toBeGreaterThan(0);
    expect(sum(costs.pssMiB())).toBeGreaterThan(1);
  });

  it('are the difference of two readings', () => {
    expect(spentBetween({ a: 10 }, { a: 25, b: 5 })).toEqual({ a: 15, b: 5 });
  });
});
