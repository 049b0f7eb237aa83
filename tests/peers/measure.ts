import pg from 'pg';
import type { Phase } from '../performance/driver.js';
import type { LoadResult } from '../performance/load.js';
import { ProcessCosts, spentBetween, sum, type CpuByGroup } from '../performance/processes.js';
import { STATISTICS_DELAY_MS, walCounters, type WalCounters } from '../performance/wal-counters.js';
import type { RunningEngine } from './engine.js';
import type { EnginePhases, PhaseFigures, PhaseName } from './figures.js';

export interface NamedPhase extends Phase {
  readonly name: PhaseName;
}

const PSS_EVERY_MS = 1_500;
const COUNT_MAX = 1_000_000;

/** What is measured of each engine, in this order; `quick` shows that it works and little more. */
export function phasesOf({ quick, all }: { readonly quick: boolean; readonly all: boolean }): readonly NamedPhase[] {
  const [lone, busy] = quick ? [1_500, 2_000] : [4_000, 8_000];
  const one = { count: COUNT_MAX, concurrency: 1, ms: lone };
  const many = { count: COUNT_MAX, concurrency: 100, ms: busy };
  const asked: readonly NamedPhase[] = [
    { name: 'diamond5-c1', shape: 'diamond', steps: 5, ...one },
    { name: 'chain20-c1', shape: 'chain', steps: 20, ...one },
    { name: 'diamond5-c100', shape: 'diamond', steps: 5, ...many },
  ];
  const others: readonly NamedPhase[] = [
    { name: 'chain1-c100', shape: 'chain', steps: 1, ...many },
    { name: 'chain20-c100', shape: 'chain', steps: 20, ...many },
  ];
  return all ? [...asked, ...others] : asked;
}

export const warmUpOf = ({ quick }: { readonly quick: boolean }): Phase => ({
  shape: 'diamond',
  steps: 5,
  count: COUNT_MAX,
  concurrency: 20,
  // Long enough for what is compiled while it runs: what is measured is what an engine sustains.
  ms: quick ? 1_000 : 10_000,
});

/** Runs the phases one after the other on one engine. */
export async function measureEngine(
  engine: RunningEngine,
  phases: readonly NamedPhase[],
  warmUp: Phase,
  flushes: (() => number) | undefined,
): Promise<EnginePhases> {
  const database = engine.databaseUrl === undefined ? undefined : new pg.Pool({ connectionString: engine.databaseUrl, max: 1 });
  database?.on('error', () => undefined);
  try {
    await engine.driver.run(warmUp);
    const figures: Partial<Record<PhaseName, PhaseFigures>> = {};
    let before = await readWal(database);
    for (const phase of phases) {
      const measured = await measurePhase(engine, phase, flushes);
      const after = await readWal(database);
      figures[phase.name] = figuresOf({ ...measured, before, after });
      before = after;
    }
    return figures;
  } finally {
    await database?.end();
  }
}

interface MeasuredPhase {
  readonly load: LoadResult;
  readonly cpu: CpuByGroup;
  readonly deviceFlushes: number | null;
  readonly peakPssMiB: number;
}

async function measurePhase(engine: RunningEngine, phase: Phase, flushes: (() => number) | undefined): Promise<MeasuredPhase> {
  const roots = await engine.roots();
  const costs = new ProcessCosts(() => roots);
  let peakPssMiB = sum(costs.pssMiB());
  const sampler = setInterval(() => (peakPssMiB = Math.max(peakPssMiB, sum(costs.pssMiB()))), PSS_EVERY_MS);
  const before = { cpu: costs.cpu(), flushes: flushes?.() };
  const load = await engine.driver.run(phase).finally(() => {
    clearInterval(sampler);
  });
  const cpu = spentBetween(before.cpu, costs.cpu());
  const deviceFlushes = flushes === undefined || before.flushes === undefined ? null : flushes() - before.flushes;
  return { load, cpu, deviceFlushes, peakPssMiB: Math.max(peakPssMiB, sum(costs.pssMiB())) };
}

async function readWal(database: pg.Pool | undefined): Promise<WalCounters | undefined> {
  if (database === undefined) return undefined;
  await new Promise((resolve) => setTimeout(resolve, STATISTICS_DELAY_MS));
  return walCounters(database);
}

const rounded = (value: number, digits = 3): number => Number(value.toFixed(digits));

function figuresOf(
  measured: MeasuredPhase & { readonly before: WalCounters | undefined; readonly after: WalCounters | undefined },
): PhaseFigures {
  const { load, cpu, deviceFlushes, peakPssMiB, before, after } = measured;
  const each = (value: number): number => rounded(value / Math.max(1, load.completed));
  const grown = (name: keyof WalCounters): number | null =>
    before === undefined || after === undefined ? null : each(after[name] - before[name]);
  return {
    workflows: load.completed,
    failed: load.failed,
    perSecond: rounded((load.completed / load.wallMs) * 1000, 1),
    p50: rounded(load.latencyMs.p50),
    p95: rounded(load.latencyMs.p95),
    p99: rounded(load.latencyMs.p99),
    cpuMs: each(sum(cpu)),
    cpuMsBy: Object.fromEntries(Object.entries(cpu).map(([name, ms]) => [name, each(ms)])),
    deviceFlushes: deviceFlushes === null ? null : each(deviceFlushes),
    walFlushes: grown('walFlushes'),
    walBytes: grown('walBytes'),
    peakPssMiB: rounded(peakPssMiB, 1),
  };
}
