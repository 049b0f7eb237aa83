import type { EngineName } from './engine.js';
import type { PhaseFigures, PhaseName } from './figures.js';
import type { RecoveryFigures } from './recovery.js';
import type { Results } from './results.js';

export const LEVELS = ['gate', 'goal', 'stretch'] as const;
/** A missed gate fails; a met goal is announced; a stretch is for pride. */
export type Level = (typeof LEVELS)[number];

/** One comparison of one target, judged. */
export interface Verdict {
  readonly target: number;
  readonly metric: string;
  readonly unit: string;
  readonly ours: number | null;
  /** What ours is compared with. */
  readonly against: string;
  readonly peer: number | null;
  /** Ours divided by the peer; ours itself where the limit is absolute. */
  readonly value: number | null;
  /** The limits that exist, in words such as `≥ 1.3x`. */
  readonly limits: Partial<Readonly<Record<Level, string>>>;
  /** Null where it could not be judged. */
  readonly met: Partial<Readonly<Record<Level, boolean | null>>>;
}

type Measure = (results: Results) => number | undefined;

interface Comparison extends Partial<Readonly<Record<Level, number>>> {
  readonly against: string;
  /** Absent: the limits are absolute. */
  readonly peer?: Measure;
}

interface Target {
  readonly target: number;
  readonly metric: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly ours: Measure;
  readonly comparisons: readonly Comparison[];
}

const phase =
  (engine: EngineName, name: PhaseName, of: (figures: PhaseFigures) => number | null): Measure =>
  ({ rates }) => {
    const figures = rates?.engines[engine]?.[name];
    return figures === undefined ? undefined : (of(figures) ?? undefined);
  };

/** The better of DBOS's two ways to be called. */
const bestDbos =
  (name: PhaseName, of: (figures: PhaseFigures) => number, best: (...values: number[]) => number): Measure =>
  (results) => {
    const values = (['dbos', 'dbos-http'] as const).map((engine) => phase(engine, name, of)(results)).filter((v) => v !== undefined);
    return values.length === 0 ? undefined : best(...values);
  };

const untilAnswered = ({ answeredMs, doneMs }: RecoveryFigures): number => answeredMs ?? doneMs;

const kills =
  (engine: EngineName, of: (figures: RecoveryFigures) => number): Measure =>
  ({ recovery }) => {
    const values = (recovery?.kills ?? []).filter((figures) => figures.engine === engine).map(of);
    return values.length === 0 ? undefined : Math.max(...values);
  };

const slowestStart: Measure = ({ start }) => (start === undefined ? undefined : Math.max(...Object.values(start.start.services)));
const largestIdle: Measure = ({ start }) => (start === undefined ? undefined : Math.max(...Object.values(start.start.servicesPssMiB)));

/** A flush of the machine's own now and then must not hide that ours are as few as they can be. */
const FLUSHES_AT_BEST = 4.2;

const [rate, cpu, p50, p99, memory] = [
  (f: PhaseFigures) => f.perSecond,
  (f: PhaseFigures) => f.cpuMs,
  (f: PhaseFigures) => f.p50,
  (f: PhaseFigures) => f.p99,
  (f: PhaseFigures) => f.peakPssMiB,
];

/** The targets that this benchmark judges, as ratios to what was measured in the same run. */
const TARGETS: readonly Target[] = [
  {
    target: 1,
    metric: 'workflows of 5 steps a second, 100 at once',
    unit: '/s',
    better: 'more',
    ours: phase('ours', 'diamond5-c100', rate),
    comparisons: [
      { against: 'Restate', peer: phase('restate', 'diamond5-c100', rate), gate: 1.3, goal: 2, stretch: 2.7 },
      { against: 'DBOS', peer: bestDbos('diamond5-c100', rate, Math.max), gate: 3.5, goal: 5.5 },
      { against: 'floor', peer: phase('floor', 'diamond5-c100', rate), goal: 0.55, stretch: 0.75 },
    ],
  },
  {
    target: 2,
    metric: 'CPU of a workflow of 5 steps, 100 at once',
    unit: 'ms',
    better: 'less',
    ours: phase('ours', 'diamond5-c100', cpu),
    comparisons: [
      { against: 'Restate', peer: phase('restate', 'diamond5-c100', cpu), gate: 0.7, goal: 0.5 },
      { against: 'floor', peer: phase('floor', 'diamond5-c100', cpu), gate: 3, goal: 2, stretch: 1.5 },
    ],
  },
  {
    target: 3,
    metric: 'p50 of a workflow of 5 steps, one at a time',
    unit: 'ms',
    better: 'less',
    ours: phase('ours', 'diamond5-c1', p50),
    comparisons: [
      { against: 'Restate', peer: phase('restate', 'diamond5-c1', p50), gate: 1, goal: 0.8 },
      { against: 'DBOS', peer: bestDbos('diamond5-c1', p50, Math.min), goal: 0.65 },
      { against: 'floor', peer: phase('floor', 'diamond5-c1', p50), goal: 1.3, stretch: 1.1 },
    ],
  },
  {
    target: 4,
    metric: 'p50 of a chain of 20 steps, one at a time',
    unit: 'ms',
    better: 'less',
    ours: phase('ours', 'chain20-c1', p50),
    comparisons: [{ against: 'Restate', peer: phase('restate', 'chain20-c1', p50), gate: 1.1, goal: 0.9 }],
  },
  {
    target: 5,
    metric: 'p99 of a workflow of 5 steps, 100 at once',
    unit: 'ms',
    better: 'less',
    ours: phase('ours', 'diamond5-c100', p99),
    comparisons: [
      { against: 'Restate', peer: phase('restate', 'diamond5-c100', p99), gate: 0.8, goal: 0.5 },
      { against: 'our own p50', peer: phase('ours', 'diamond5-c100', p50), goal: 1.8 },
    ],
  },
  {
    target: 6,
    metric: 'device flushes of a workflow of 5 steps, one at a time',
    unit: '',
    better: 'less',
    ours: phase('ours', 'diamond5-c1', (f) => f.deviceFlushes),
    comparisons: [{ against: 'a number', gate: 5, goal: FLUSHES_AT_BEST }],
  },
  {
    target: 6,
    metric: 'device flushes of a workflow of 5 steps, 100 at once',
    unit: '',
    better: 'less',
    ours: phase('ours', 'diamond5-c100', (f) => f.deviceFlushes),
    comparisons: [{ against: 'a number', gate: 0.5, goal: 0.2 }],
  },
  {
    target: 8,
    metric: 'kill -9 of any one service, 100 chains of 20 in flight: until all are answered',
    unit: 'ms',
    better: 'less',
    ours: kills('ours', untilAnswered),
    comparisons: [
      { against: 'Restate', peer: kills('restate', untilAnswered), gate: 1.5, goal: 1 },
      { against: 'DBOS', peer: kills('dbos-http', untilAnswered), goal: 0.5 },
      { against: 'a number', stretch: 600 },
    ],
  },
  {
    target: 8,
    metric: 'workflows lost and steps doubled by all kills',
    unit: '',
    better: 'less',
    ours: ({ recovery }) => {
      const ours = (recovery?.kills ?? []).filter(({ engine }) => engine === 'ours');
      return ours.length === 0 ? undefined : ours.reduce((total, { lost, doubled }) => total + lost + (doubled ?? 0), 0);
    },
    comparisons: [{ against: 'a number', gate: 0 }],
  },
  {
    target: 9,
    metric: 'start of the slowest service until it is ready, empty log',
    unit: 'ms',
    better: 'less',
    ours: slowestStart,
    comparisons: [{ against: 'an empty Nest process', peer: ({ start }) => start?.start.emptyNestMs, gate: 2.5, goal: 1.8 }],
  },
  {
    target: 10,
    metric: 'memory of everything (PSS), 100 at once',
    unit: 'MiB',
    better: 'less',
    ours: phase('ours', 'diamond5-c100', memory),
    comparisons: [{ against: 'Restate', peer: phase('restate', 'diamond5-c100', memory), gate: 1, goal: 0.8 }],
  },
  {
    target: 10,
    metric: 'memory (PSS) of the largest service at rest',
    unit: 'MiB',
    better: 'less',
    ours: largestIdle,
    comparisons: [{ against: 'an empty Nest process', peer: ({ start }) => start?.start.emptyNestPssMiB, goal: 1.6 }],
  },
];

/** Judges every target from what was measured. Pure: the same results give the same verdicts. */
export const judge = (results: Results): readonly Verdict[] =>
  TARGETS.flatMap((target) => target.comparisons.map((comparison) => judgeOne(target, comparison, results)));

function judgeOne(target: Target, comparison: Comparison, results: Results): Verdict {
  const { metric, unit, better } = target;
  const ours = target.ours(results) ?? null;
  const peer = comparison.peer?.(results) ?? null;
  const isRatio = comparison.peer !== undefined;
  const value = isRatio ? ratioOf(ours, peer) : ours;
  const levels = LEVELS.flatMap((level) => {
    const limit = comparison[level];
    return limit === undefined ? [] : [{ level, limit }];
  });
  const inWords = (limit: number): string => `${better === 'more' ? '≥' : '≤'} ${String(limit)}${isRatio ? 'x' : ''}`;
  const isMet = (limit: number): boolean | null => (value === null ? null : better === 'more' ? value >= limit : value <= limit);
  return {
    ...{ target: target.target, metric, unit, ours, against: comparison.against, peer, value },
    limits: Object.fromEntries(levels.map(({ level, limit }) => [level, inWords(limit)])),
    met: Object.fromEntries(levels.map(({ level, limit }) => [level, isMet(limit)])),
  };
}

const ratioOf = (ours: number | null, peer: number | null): number | null => (ours === null || peer === null ? null : ours / peer);

/** Gates that are not met, those among them that could not be judged. */
export const missedGates = (verdicts: readonly Verdict[]): readonly Verdict[] =>
  verdicts.filter(({ met }) => met.gate !== undefined && met.gate !== true);

const figure = (value: number | null, unit = ''): string => {
  if (value === null) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)}${unit}`;
};

/** A verdict in cells: target, metric, ours, against, ratio, gate, goal, stretch. */
export function cellsOf(verdict: Verdict): readonly string[] {
  const { target, metric, unit, ours, against, peer, value } = verdict;
  const level = (name: Level): string => {
    const [limit, met] = [verdict.limits[name], verdict.met[name]];
    if (limit === undefined) return '';
    return `${limit} ${met === true ? 'met' : met === false ? 'MISSED' : 'not judged'}`;
  };
  const space = unit === '' || unit.startsWith('/') ? unit : ` ${unit}`;
  const other = peer === null ? against : `${against} ${figure(peer, space)}`;
  const ratio = peer === null ? '' : figure(value, 'x');
  return [String(target), metric, figure(ours, space), other, ratio, ...LEVELS.map(level)];
}

export const VERDICT_HEADINGS = ['#', 'metric', 'ours', 'against', 'ratio', ...LEVELS] as const;

/** The verdicts for people. */
export function gatesReport(verdicts: readonly Verdict[]): string {
  const rows = [[...VERDICT_HEADINGS], ...verdicts.map(cellsOf)];
  const widths = VERDICT_HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
