import { describe, expect, it } from '@jest/globals';
import { hopFigures } from './hop-figures.js';
import { parseHopsOptions } from './options.js';
import { sumsOf, type CpuProfile, type ProfileNode } from './profile-groups.js';

const node = (id: number, functionName: string, url: string, children: readonly number[] = []): ProfileNode => ({
  id,
  callFrame: { functionName, url, lineNumber: 0 },
  children,
});

/** Each sample is a millisecond. */
const profile = (nodes: readonly ProfileNode[], samples: readonly number[]): CpuProfile => ({
  nodes,
  samples,
  timeDeltas: samples.map(() => 1000),
});

const NODES = [
  node(1, '(root)', '', [2, 3, 4, 9]),
  node(2, '(idle)', ''),
  node(3, '(garbage collector)', ''),
  node(4, 'emit', 'node:events', [5, 7]),
  node(5, 'round', 'file:///x/apps/state-service/dist/handle-command.js', [6]),
  node(6, 'decide', 'file:///x/libs/workflow/dist/decide.js', [8]),
  node(7, 'query', 'file:///x/node_modules/pg/lib/client.js', [10]),
  node(8, 'parseJson', 'file:///x/tests/dist/performance/hops/profile-hook.js'),
  node(9, 'dispatch', ''),
  node(10, 'writev', 'node:internal/stream_base_commons'),
];

describe('a CPU profile', () => {
  it('is added up by the innermost frame that a group names, waiting apart', () => {
    const sums = sumsOf(profile(NODES, [2, 2, 3, 4, 5, 6, 6, 8, 9, 10]), 0);
    expect(sums.idleMs).toBe(2);
    expect(sums.byGroup).toEqual({
      'garbage collection': 1,
      'Node (timers, sockets, streams)': 1,
      'the service itself': 1,
      'decide and evolve': 2,
      JSON: 1,
      'native code and system calls': 1,
      'append: Postgres driver': 1,
    });
    expect(sums.busyMs).toBe(8);
  });

  it('names the functions with the largest self time, with their place in the repository', () => {
    expect(sumsOf(profile(NODES, [6, 6, 5, 2]), 1).top).toEqual([
      { name: 'decide', where: 'libs/workflow/dist/decide.js:1', group: 'decide and evolve', selfMs: 2 },
    ]);
  });

  it('divides the CPU that the operating system counted, so that the groups of a service add up to it', () => {
    const load = { completed: 10, failed: 0, wallMs: 1000, latencyMs: { p50: 1, p95: 1, p99: 1, max: 1 } };
    const profiles = new Map([['state-service', sumsOf(profile(NODES, [5, 6, 6, 6]), 0)]]);
    const figures = hopFigures({
      concurrent: 1,
      plain: load,
      cpu: { 'state-service': 80, Postgres: 20 },
      profiled: load,
      profiles,
      statements: [],
    });
    expect(figures.cpuMs).toBe(10);
    expect(figures.byGroup).toEqual({ 'state-service': { 'decide and evolve': 6, 'the service itself': 2 } });
  });
});

describe('the options of the hops', () => {
  it('have defaults', () => {
    expect(parseHopsOptions([])).toEqual({ concurrent: 100, workflows: 2000, top: 0 });
    expect(parseHopsOptions(['--help'])).toBe('help');
  });

  it.each([['--concurrent', '1'], ['--workflows', 'many'], ['--nonsense']])('refuse %s %s in a sentence', (...args) => {
    expect(parseHopsOptions(args)).toHaveProperty('wrong');
  });
});
