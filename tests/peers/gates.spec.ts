import { describe, expect, it } from '@jest/globals';
import type { ResultHeader } from '../performance/result-header.js';
import type { EngineName } from './engine.js';
import type { PhaseFigures, PhaseName } from './figures.js';
import { gatesReport, judge, missedGates, type Verdict } from './gates.js';
import type { RecoveryFigures } from './recovery.js';
import type { Results } from './results.js';

const HEADER: ResultHeader = {
  at: '2026-01-01T00:00:00.000Z',
  revision: 'abc',
  machine: { cores: 2, model: 'm', memoryMiB: 1, node: 'v20', platform: 'linux x64' },
  versions: {},
  quick: false,
};
const PHASE: PhaseFigures = {
  workflows: 100,
  failed: 0,
  perSecond: 100,
  p50: 10,
  p95: 20,
  p99: 30,
  cpuMs: 2,
  cpuMsBy: {},
  deviceFlushes: 4,
  walFlushes: null,
  walBytes: null,
  peakPssMiB: 500,
};
const NAMES: readonly PhaseName[] = ['diamond5-c1', 'chain20-c1', 'diamond5-c100'];
const every = (changes: Partial<PhaseFigures> = {}) => Object.fromEntries(NAMES.map((name) => [name, { ...PHASE, ...changes }]));
const kill = (engine: EngineName, answeredMs: number, changes: Partial<RecoveryFigures> = {}): RecoveryFigures => ({
  ...{ engine, killed: 'x', inFlight: 100, doneMs: answeredMs, answeredMs, lostCalls: 0, lost: 0, doubled: 0 },
  ...changes,
});

function results(ours: Partial<PhaseFigures>, kills: readonly RecoveryFigures[] = []): Results {
  return {
    rates: {
      ...HEADER,
      rounds: [],
      flush: { samples: 1, p50: 1, p99: 1 },
      engines: {
        ours: every(ours),
        restate: every(),
        dbos: every({ perSecond: 40 }),
        'dbos-http': every({ perSecond: 50, p50: 8 }),
        floor: every(),
      },
    },
    recovery: { ...HEADER, rounds: [], kills },
  };
}

const verdictOf = (given: Results, target: number, against: string, metric = ''): Verdict => {
  const found = judge(given).find((v) => v.target === target && v.against === against && v.metric.includes(metric));
  if (found === undefined) throw new Error('no such verdict');
  return found;
};

describe('the gates', () => {
  it('compare rates with every peer of the same run, where more is better', () => {
    const given = results({ perSecond: 200 });
    expect(verdictOf(given, 1, 'Restate')).toMatchObject({ value: 2, met: { gate: true, goal: true, stretch: false } });
    expect(verdictOf(given, 1, 'floor')).toMatchObject({ value: 2, met: { goal: true, stretch: true } });
  });

  it('compare with the better of two ways to use a peer', () => {
    expect(verdictOf(results({ perSecond: 200 }), 1, 'DBOS')).toMatchObject({ peer: 50, value: 4, met: { gate: true, goal: false } });
    expect(verdictOf(results({}), 3, 'DBOS').peer).toBe(8);
  });

  it('compare costs where less is better, a limit itself being allowed', () => {
    expect(verdictOf(results({ cpuMs: 1.4 }), 2, 'Restate').met).toEqual({ gate: true, goal: false });
    expect(verdictOf(results({ cpuMs: 1.5 }), 2, 'Restate').met.gate).toBe(false);
  });

  it('judge what must not happen at all by a number', () => {
    const clean = results({}, [kill('ours', 900), kill('restate', 1000)]);
    expect(verdictOf(clean, 8, 'a number', 'lost').met.gate).toBe(true);
    const lossy = results({}, [kill('ours', 900, { lost: 1 }), kill('restate', 1000)]);
    expect(verdictOf(lossy, 8, 'a number', 'lost').met.gate).toBe(false);
  });

  it('take the worst of our services, and what callers waited for', () => {
    const given = results({}, [kill('ours', 900), kill('ours', 1600, { doneMs: 100 }), kill('restate', 1000)]);
    expect(verdictOf(given, 8, 'Restate')).toMatchObject({ ours: 1600, value: 1.6, met: { gate: false } });
  });

  it('count a gate that cannot be judged as missed, and say so', () => {
    expect(verdictOf({}, 1, 'Restate').met).toEqual({ gate: null, goal: null, stretch: null });
    const missed = missedGates(judge({}));
    expect(missed.length).toBeGreaterThan(8);
    expect(gatesReport(missed)).toContain('not judged');
  });

  it('judge each target that they are for', () => {
    expect([...new Set(judge({}).map(({ target }) => target))]).toEqual([1, 2, 3, 4, 5, 6, 8, 9, 10]);
  });

  it('are printed with what was compared and how it ended', () => {
    const report = gatesReport(judge(results({ perSecond: 120 })));
    expect(report).toMatch(/1 +workflows of 5 steps a second, 100 at once +120\/s +Restate 100\/s +1\.20x +≥ 1\.3x MISSED/);
  });
});
