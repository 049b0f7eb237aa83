import type { LoadResult } from '../load.js';
import { sum, type CpuByGroup } from '../processes.js';
import type { ResultHeader } from '../result-header.js';
import type { FunctionTime, ProfileSums } from './profile-groups.js';
import type { StatementTime } from './statement-times.js';

/** Where the CPU of a workflow goes at one concurrency; milliseconds per workflow unless named otherwise. */
export interface HopFigures {
  readonly concurrent: number;
  readonly workflows: number;
  readonly workflowsPerSecond: number;
  readonly latencyMs: LoadResult['latencyMs'];
  /** User and system time of every process, from the operating system, without profilers. */
  readonly cpuMs: number;
  readonly cpuMsBy: CpuByGroup;
  /** Each service's CPU, divided as its profile is. */
  readonly byGroup: Readonly<Record<string, CpuByGroup>>;
  /** The share of time in which the service's main thread waited. */
  readonly idleShare: Readonly<Record<string, number>>;
  readonly statements: readonly StatementTime[];
  readonly top: Readonly<Record<string, readonly FunctionTime[]>>;
}

/** `hops.json`. */
export interface HopsResult extends ResultHeader {
  readonly shape: string;
  readonly steps: number;
  readonly loads: readonly HopFigures[];
}

/** A load that was measured twice: without profilers for what it costs, with them for where that goes. */
export interface HopReadings {
  readonly concurrent: number;
  readonly plain: LoadResult;
  readonly cpu: CpuByGroup;
  readonly profiled: LoadResult;
  readonly profiles: ReadonlyMap<string, ProfileSums>;
  readonly statements: readonly StatementTime[];
}

const rounded = (value: number, digits = 4): number => Number(value.toFixed(digits));
const scaled = (values: CpuByGroup, factor: number): CpuByGroup =>
  Object.fromEntries(
    Object.entries(values)
      .sort(([, a], [, b]) => b - a)
      .map(([name, value]) => [name, rounded(value * factor)]),
  );

export function hopFigures({ concurrent, plain, cpu, profiled, profiles, statements }: HopReadings): HopFigures {
  const cpuMsBy = scaled(cpu, 1 / Math.max(1, plain.completed));
  const each = 1 / Math.max(1, profiled.completed);
  const services = [...profiles];
  return {
    concurrent,
    workflows: plain.completed,
    workflowsPerSecond: rounded((plain.completed / plain.wallMs) * 1000, 1),
    latencyMs: plain.latencyMs,
    cpuMs: rounded(sum(cpuMsBy)),
    cpuMsBy,
    byGroup: Object.fromEntries(
      services.map(([name, { byGroup, busyMs }]) => [name, scaled(byGroup, (cpuMsBy[name] ?? 0) / Math.max(1e-9, busyMs))]),
    ),
    idleShare: Object.fromEntries(
      services.map(([name, { busyMs, idleMs }]) => [name, rounded(idleMs / Math.max(1e-9, busyMs + idleMs), 3)]),
    ),
    statements: statements.map((s) => ({
      ...s,
      calls: rounded(s.calls * each),
      ms: rounded(s.ms * each),
      planMs: rounded(s.planMs * each),
    })),
    top: Object.fromEntries(
      services.map(([name, { top, busyMs }]) => {
        const factor = (cpuMsBy[name] ?? 0) / Math.max(1e-9, busyMs);
        return [name, top.map((f) => ({ ...f, selfMs: rounded(f.selfMs * factor) }))];
      }),
    ),
  };
}

const STATEMENTS_SHOWN = 14;

/** The figures for people. */
export function hopReport(figures: readonly HopFigures[]): string {
  const sections = figures.map((f) => {
    const { p50, p95, p99 } = f.latencyMs;
    const head = `${String(f.concurrent)} at once: ${f.workflowsPerSecond.toFixed(0)} workflows/s, p50 ${p50.toFixed(1)} p95 ${p95.toFixed(1)} p99 ${p99.toFixed(1)} ms, CPU ${f.cpuMs.toFixed(3)} ms/workflow`;
    return [head, '', processTable(f), '', statementTable(f), ...topTables(f)].join('\n');
  });
  return sections.join('\n\n');
}

function processTable({ cpuMsBy, byGroup, idleShare }: HopFigures): string {
  return Object.entries(cpuMsBy)
    .flatMap(([name, ms]) => {
      const idle = idleShare[name] === undefined ? '' : `   (main thread waits ${((idleShare[name] ?? 0) * 100).toFixed(0)} %)`;
      const groups = Object.entries(byGroup[name] ?? {}).map(([group, part]) => `    ${group.padEnd(34)} ${part.toFixed(4)}`);
      return [`  ${name.padEnd(36)} ${ms.toFixed(4)}${idle}`, ...groups];
    })
    .join('\n');
}

function statementTable({ statements }: HopFigures): string {
  const rows = statements
    .slice(0, STATEMENTS_SHOWN)
    .map(
      (s) =>
        `  ${s.ms.toFixed(4)} exec  ${s.planMs.toFixed(4)} plan  ${s.calls.toFixed(3)} calls  ${s.top ? '' : '  in a function: '}${s.text}`,
    );
  return ['  Postgres, milliseconds and calls per workflow:', ...rows].join('\n');
}

const topTables = ({ top }: HopFigures): readonly string[] =>
  Object.entries(top).flatMap(([name, functions]) =>
    functions.length === 0
      ? []
      : [
          '',
          `  ${name}, functions by self time:`,
          ...functions.map((f) => `    ${f.selfMs.toFixed(4)}  ${f.name}  ${f.where}  [${f.group}]`),
        ],
  );
