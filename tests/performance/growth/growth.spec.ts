import { describe, expect, it } from '@jest/globals';
import { chainFigures, growthOf, growthReport, logFigures } from './growth-figures.js';
import { parseGrowthOptions } from './options.js';

describe('growth', () => {
  it('is the median of the rounds, as a multiple of the smallest', () => {
    const run = (wallMs: number) => ({ events: 100, batches: 10, wallMs, postgresCpuMs: wallMs / 2 });
    const logs = [logFigures(10, [run(10), run(30), run(20)]), logFigures(1000, [run(40)])];
    expect(logs[0]).toEqual({ eventsBefore: 10, eventsPerSecond: 5000, postgresCpuMsPerBatch: 1 });
    expect(growthOf(logs, (f) => f.postgresCpuMsPerBatch)).toEqual([1, 2]);
    const chains = [chainFigures(20, [{ steps: 100, wallMs: 200, cpuMs: 50 }])];
    expect(growthReport({ logs, chains })).toMatch(
      /1000 events before: 2500 events\/s \(time 2\.00x\)[\s\S]*20 steps: 2\.000 ms a step \(1\.00x\), CPU 0\.500/,
    );
  });

  it('is measured where the options say', () => {
    expect(parseGrowthOptions([])).toEqual({ events: [10_000, 1_000_000, 5_000_000], steps: [20, 2000], rounds: 5 });
    expect(parseGrowthOptions(['--events', '20,10', '--steps', ''])).toMatchObject({ events: [10, 20], steps: [] });
    expect(parseGrowthOptions(['--events', 'all'])).toHaveProperty('wrong');
  });
});
