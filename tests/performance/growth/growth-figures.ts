import { median } from '../../peers/figures.js';
import type { ResultHeader } from '../result-header.js';
import type { AppendRun } from './append-load.js';

/** Appends to a log that holds so many events already. */
export interface LogFigures {
  readonly eventsBefore: number;
  readonly eventsPerSecond: number;
  readonly postgresCpuMsPerBatch: number;
}

/** A chain of so many steps, one workflow at a time. */
export interface ChainFigures {
  readonly steps: number;
  readonly msPerStep: number;
  /** Of all processes. */
  readonly cpuMsPerStep: number;
}

export interface GrowthResult extends ResultHeader {
  readonly logs: readonly LogFigures[];
  readonly chains: readonly ChainFigures[];
}

export interface ChainRun {
  readonly steps: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** How far the dearest may be from the cheapest. */
export const LOG_GROWTH_MAX = 1.1;
export const CHAIN_GROWTH_MAX = 1.2;

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

export const logFigures = (eventsBefore: number, runs: readonly AppendRun[]): LogFigures => ({
  eventsBefore,
  eventsPerSecond: rounded(median(runs.map(({ events, wallMs }) => (events / wallMs) * 1000)), 0),
  postgresCpuMsPerBatch: rounded(median(runs.map(({ postgresCpuMs, batches }) => postgresCpuMs / batches)), 4),
});

export const chainFigures = (steps: number, runs: readonly ChainRun[]): ChainFigures => ({
  steps,
  msPerStep: rounded(median(runs.map((run) => run.wallMs / run.steps)), 4),
  cpuMsPerStep: rounded(median(runs.map((run) => run.cpuMs / run.steps)), 4),
});

/** What each costs as a multiple of the first, by a figure of which more is dearer. */
export const growthOf = <F>(figures: readonly F[], cost: (of: F) => number): readonly number[] => {
  const [first] = figures;
  return figures.map((each) => (first === undefined ? Number.NaN : cost(each) / cost(first)));
};

/** The figures for people. */
export function growthReport({ logs, chains }: Pick<GrowthResult, 'logs' | 'chains'>): string {
  const times = (value: number | undefined): string => `${(value ?? Number.NaN).toFixed(2)}x`;
  const [rate, cpu] = [growthOf(logs, (f) => 1 / f.eventsPerSecond), growthOf(logs, (f) => f.postgresCpuMsPerBatch)];
  const logLines = logs.map(
    (f, i) =>
      `${String(f.eventsBefore).padStart(9)} events before: ${String(f.eventsPerSecond)} events/s (time ${times(rate[i])}), Postgres CPU ${f.postgresCpuMsPerBatch.toFixed(3)} ms a batch (${times(cpu[i])})`,
  );
  const [wall, spent] = [growthOf(chains, (f) => f.msPerStep), growthOf(chains, (f) => f.cpuMsPerStep)];
  const chainLines = chains.map(
    (f, i) =>
      `${String(f.steps).padStart(9)} steps: ${f.msPerStep.toFixed(3)} ms a step (${times(wall[i])}), CPU ${f.cpuMsPerStep.toFixed(3)} ms a step (${times(spent[i])})`,
  );
  return [...logLines, ...chainLines].join('\n');
}
