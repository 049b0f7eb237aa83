/** One phase of one engine: rates per second, times in milliseconds, costs per workflow. */
export interface PhaseFigures {
  readonly workflows: number;
  readonly failed: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly cpuMs: number;
  readonly cpuMsBy: Readonly<Record<string, number>>;
  /** Cache flushes that reached the disk, of everybody on this machine; null where the system does not tell. */
  readonly deviceFlushes: number | null;
  /** Of its own Postgres; null where it has none. */
  readonly walFlushes: number | null;
  readonly walBytes: number | null;
  readonly peakPssMiB: number;
}

export const PHASE_NAMES = ['diamond5-c1', 'chain20-c1', 'diamond5-c100', 'chain1-c100', 'chain20-c100'] as const;
export type PhaseName = (typeof PHASE_NAMES)[number];
export type EnginePhases = Partial<Readonly<Record<PhaseName, PhaseFigures>>>;

/** The middle one; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[sorted.length / 2 - 1] ?? Number.NaN) + upper) / 2;
}

const medianOrNull = (values: readonly (number | null)[]): number | null => {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : median(known);
};

/** Every figure's median over the rounds, each for itself; failures are added up. */
export function medianPhase(rounds: readonly PhaseFigures[]): PhaseFigures {
  const of = (name: 'workflows' | 'perSecond' | 'p50' | 'p95' | 'p99' | 'cpuMs' | 'peakPssMiB'): number =>
    median(rounds.map((round) => round[name]));
  const groups = [...new Set(rounds.flatMap(({ cpuMsBy }) => Object.keys(cpuMsBy)))];
  return {
    workflows: of('workflows'),
    failed: rounds.reduce((total, { failed }) => total + failed, 0),
    perSecond: of('perSecond'),
    p50: of('p50'),
    p95: of('p95'),
    p99: of('p99'),
    cpuMs: of('cpuMs'),
    cpuMsBy: Object.fromEntries(groups.map((group) => [group, median(rounds.map(({ cpuMsBy }) => cpuMsBy[group] ?? 0))])),
    deviceFlushes: medianOrNull(rounds.map(({ deviceFlushes }) => deviceFlushes)),
    walFlushes: medianOrNull(rounds.map(({ walFlushes }) => walFlushes)),
    walBytes: medianOrNull(rounds.map(({ walBytes }) => walBytes)),
    peakPssMiB: of('peakPssMiB'),
  };
}

/** The medians of every phase that any round has. */
export function medianPhases(rounds: readonly EnginePhases[]): EnginePhases {
  return Object.fromEntries(
    PHASE_NAMES.flatMap((name) => {
      const measured = rounds.map((round) => round[name]).filter((phase) => phase !== undefined);
      return measured.length === 0 ? [] : [[name, medianPhase(measured)]];
    }),
  );
}
