import type { DatabaseCounters } from './database-costs.js';
import type { LoadResult } from './load.js';
import { machineOf, type Machine } from '../platform/machine.js';
import type { PerformanceOptions } from './options.js';
import { sum, type CpuByGroup } from './processes.js';

/** Everything that was read around the measured phase. */
export interface Readings {
  readonly load: LoadResult;
  readonly cpu: CpuByGroup;
  readonly pss: Readonly<Record<string, number>>;
  readonly before: { readonly database: DatabaseCounters; readonly messages: number };
  readonly after: { readonly database: DatabaseCounters; readonly messages: number };
  readonly rawAppendPerSecond: number;
}

/** What is written as JSON; rates per second, times in milliseconds. */
export interface Figures {
  readonly workflows: number;
  readonly concurrent: number;
  readonly tenantLimit: number;
  readonly steps: number;
  readonly shape: string;
  readonly completed: number;
  readonly failed: number;
  readonly firstFailure?: string;
  readonly workflowsPerSecond: number;
  readonly stepsPerSecond: number;
  readonly eventsPerSecond: number;
  readonly latencyMs: LoadResult['latencyMs'];
  readonly eventsPerWorkflow: number;
  readonly appendCommitsPerWorkflow: number;
  readonly transactionsPerWorkflow: number;
  readonly messagesPerWorkflow: number;
  readonly walBytesPerWorkflow: number;
  readonly walFlushesPerWorkflow: number;
  readonly cpuMsPerWorkflow: number;
  readonly cpuMsPerWorkflowBy: Readonly<Record<string, number>>;
  readonly peakPssMiB: number;
  readonly peakPssMiBBy: Readonly<Record<string, number>>;
  readonly rawAppendEventsPerSecond: number;
  readonly ratioToRawAppend: number;
  readonly machine: Machine;
}

const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));
const each = (by: Readonly<Record<string, number>>, divisor: number): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(by).map(([name, value]) => [name, rounded(value / divisor, 3)]));

export function figuresOf(readings: Readings, options: PerformanceOptions): Figures {
  const { load, cpu, pss, before, after, rawAppendPerSecond } = readings;
  const perWorkflow = (value: number): number => rounded(value / Math.max(1, load.completed), 3);
  const perSecond = (value: number): number => rounded((value / load.wallMs) * 1000);
  const used = (name: keyof DatabaseCounters): number => after.database[name] - before.database[name];
  return {
    workflows: options.workflows,
    concurrent: options.concurrent,
    tenantLimit: options.concurrent,
    steps: options.steps,
    shape: options.shape,
    completed: load.completed,
    failed: load.failed,
    ...(load.firstFailure === undefined ? {} : { firstFailure: load.firstFailure }),
    workflowsPerSecond: perSecond(load.completed),
    stepsPerSecond: perSecond(load.completed * options.steps),
    eventsPerSecond: perSecond(used('events')),
    latencyMs: {
      p50: rounded(load.latencyMs.p50),
      p95: rounded(load.latencyMs.p95),
      p99: rounded(load.latencyMs.p99),
      max: rounded(load.latencyMs.max),
    },
    eventsPerWorkflow: perWorkflow(used('events')),
    appendCommitsPerWorkflow: perWorkflow(used('appends')),
    transactionsPerWorkflow: perWorkflow(used('transactions')),
    messagesPerWorkflow: perWorkflow(after.messages - before.messages),
    walBytesPerWorkflow: Math.round(used('walBytes') / Math.max(1, load.completed)),
    walFlushesPerWorkflow: perWorkflow(used('walFlushes')),
    cpuMsPerWorkflow: perWorkflow(sum(cpu)),
    cpuMsPerWorkflowBy: each(cpu, Math.max(1, load.completed)),
    peakPssMiB: rounded(sum(pss), 1),
    peakPssMiBBy: each(pss, 1),
    rawAppendEventsPerSecond: Math.round(rawAppendPerSecond),
    ratioToRawAppend: rounded(perSecond(used('events')) / rawAppendPerSecond, 4),
    machine: machineOf(),
  };
}

const by = (values: Readonly<Record<string, number>>, digits: number): string =>
  Object.entries(values)
    .sort(([, a], [, b]) => b - a)
    .map(([name, value]) => `${name} ${value.toFixed(digits)}`)
    .join(', ');

/** The figures for people. */
export function reportOf(f: Figures): string {
  const rows: readonly (readonly [string, string])[] = [
    [
      'workflows',
      `${String(f.completed)} completed, ${String(f.failed)} failed${f.firstFailure === undefined ? '' : ` (first: ${f.firstFailure})`}`,
    ],
    ['shape', `${f.shape} of ${String(f.steps)} no-op steps, ${String(f.concurrent)} at once (tenant limit ${String(f.tenantLimit)})`],
    ['workflows/s', f.workflowsPerSecond.toFixed(1)],
    ['steps/s', f.stepsPerSecond.toFixed(0)],
    ['events/s', f.eventsPerSecond.toFixed(0)],
    [
      'latency ms',
      `p50 ${f.latencyMs.p50.toFixed(1)}  p95 ${f.latencyMs.p95.toFixed(1)}  p99 ${f.latencyMs.p99.toFixed(1)}  max ${f.latencyMs.max.toFixed(1)}`,
    ],
    [
      'per workflow',
      `${f.eventsPerWorkflow.toFixed(1)} events, ${f.appendCommitsPerWorkflow.toFixed(2)} append commits, ${f.transactionsPerWorkflow.toFixed(2)} transactions, ${f.messagesPerWorkflow.toFixed(2)} messages`,
    ],
    ['WAL/workflow', `${String(f.walBytesPerWorkflow)} bytes, ${f.walFlushesPerWorkflow.toFixed(2)} flushes`],
    ['CPU ms/workflow', `${f.cpuMsPerWorkflow.toFixed(2)} (${by(f.cpuMsPerWorkflowBy, 2)})`],
    ['peak PSS MiB', `${f.peakPssMiB.toFixed(0)} (${by(f.peakPssMiBBy, 0)})`],
    [
      'raw append',
      `${String(f.rawAppendEventsPerSecond)} events/s on the same Postgres; this run reached ${(f.ratioToRawAppend * 100).toFixed(1)} % of it`,
    ],
    ['machine', `${String(f.machine.cores)} cores (${f.machine.model}), ${String(f.machine.memoryMiB)} MiB, Node ${f.machine.node}`],
  ];
  return rows.map(([name, text]) => `${name.padEnd(16)} ${text}`).join('\n');
}
