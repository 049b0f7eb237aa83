import { describe, expect, it } from '@jest/globals';
import type { ResultHeader } from '../result-header.js';
import { performanceDocument } from './performance-document.js';

const HEADER: ResultHeader = {
  at: '2026-01-02T03:04:05.000Z',
  revision: 'abc',
  machine: { cores: 2, model: 'Model', memoryMiB: 2048, node: 'v20', platform: 'linux x64' },
  versions: { Node: '20.1.0' },
  quick: false,
};
const PHASE = {
  ...{ workflows: 10, failed: 0, perSecond: 200, p50: 1, p95: 2, p99: 3, cpuMs: 1.5, cpuMsBy: { gateway: 1 } },
  ...{ deviceFlushes: 4, walFlushes: 4, walBytes: 1000, peakPssMiB: 300 },
};
const sectionOf = (text: string, title: string): string => text.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? '';

describe('docs/performance.md', () => {
  it('says of every section without results that it was not measured, and how to', () => {
    const text = performanceDocument({});
    for (const title of ['Machine', 'What a workflow costs', 'Targets', 'After kill -9', 'Start'])
      expect(sectionOf(text, title)).toContain('Not measured yet: `npm run bench:peers`');
    expect(sectionOf(text, 'Where the time goes')).toContain('npm run bench:hops');
    expect(sectionOf(text, 'Cost does not grow')).toContain('npm run bench:growth');
  });

  it('shows rates as ratios to ours, with the time of a flush in the same run', () => {
    const flush = { samples: 3, p50: 90.4, p99: 200 };
    const rates = {
      ...{ ...HEADER, rounds: [{ flush, engines: {}, skipped: { dbos: 'no network' } }], flush },
      engines: { ours: { 'diamond5-c100': PHASE }, restate: { 'diamond5-c100': { ...PHASE, perSecond: 80, cpuMs: 3 } } },
    };
    const text = performanceDocument({ rates });
    const section = sectionOf(text, 'What a workflow costs');
    expect(section).toContain('took 90 µs (p50) and 200 µs (p99)');
    expect(section).toMatch(/\| Restate[^|]*\| 80\.0 \| 2\.50x \| 1\.0 \/ 2\.0 \/ 3\.0 \| 3\.00 \| 0\.50x \|/);
    expect(section).toContain('dbos was left out: no network');
    expect(sectionOf(text, 'Targets')).toContain('≥ 2x met');
    expect(sectionOf(text, 'Machine')).toContain('| Node | 20.1.0 |');
  });

  it('says when cost grows, and when it does not', () => {
    const log = { eventsBefore: 10_000, eventsPerSecond: 1000, postgresCpuMsPerBatch: 1 };
    const chain = { steps: 20, msPerStep: 1, cpuMsPerStep: 1 };
    const kept = performanceDocument({
      growth: { ...HEADER, logs: [log, { ...log, eventsBefore: 1_000_000 }], chains: [chain, { ...chain, steps: 2000, msPerStep: 1.15 }] },
    });
    expect(sectionOf(kept, 'Cost does not grow')).not.toContain('Not kept');
    const grown = performanceDocument({ growth: { ...HEADER, logs: [log, { ...log, eventsPerSecond: 800 }], chains: [chain] } });
    expect(sectionOf(grown, 'Cost does not grow')).toContain('**Not kept: something is more than 1.10x.**');
  });

  it('marks what a quick run made', () => {
    const start = {
      ...HEADER,
      quick: true,
      rounds: [],
      start: { emptyNestMs: 100, emptyNestPssMiB: 50, services: { a: 150 }, servicesPssMiB: { a: 60 }, upMs: 2000 },
    };
    expect(sectionOf(performanceDocument({ start }), 'Start')).toMatch(/A quick run[\s\S]*\| a \| 150 \| 1\.50x \| 60 \| 1\.20x \|/);
  });
});
