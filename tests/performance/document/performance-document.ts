import { ENGINE_NAMES, ENGINE_TITLES } from '../../peers/engine.js';
import type { PhaseFigures, PhaseName } from '../../peers/figures.js';
import { cellsOf, judge, VERDICT_HEADINGS } from '../../peers/gates.js';
import type { RatesResult, RecoveryResult, Results, StartResult } from '../../peers/results.js';
import { CHAIN_GROWTH_MAX, growthOf, LOG_GROWTH_MAX, type GrowthResult } from '../growth/growth-figures.js';
import type { HopsResult } from '../hops/hop-figures.js';
import type { ResultHeader } from '../result-header.js';

/** Everything that was measured and kept; what is missing was not. */
export interface PerformanceResults extends Results {
  readonly hops?: HopsResult;
  readonly growth?: GrowthResult;
}

type Row = readonly string[];

const table = (headings: Row, rows: readonly Row[]): string =>
  [headings, headings.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const fixed = (value: number | null | undefined, digits: number): string =>
  value === null || value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits);
const times = (value: number | undefined): string => `${fixed(value, 2)}x`;

const measuredAs = ({ at, revision, quick }: ResultHeader): string =>
  `Measured on ${at.slice(0, 10)}, revision \`${revision}\`.${quick ? ' **A quick run: it shows that the measurement works, its figures mean little.**' : ''}`;

const missing = (command: string): string => `Not measured yet: \`${command}\` writes the figures.`;

/** docs/performance.md, from the result files alone. */
export function performanceDocument(results: PerformanceResults): string {
  const { rates, recovery, start, hops, growth } = results;
  const sections: readonly (readonly [title: string, text: string])[] = [
    ['Machine', machineSection([rates, recovery, start, hops, growth].filter((result) => result !== undefined))],
    ['The work', WORK],
    ['What a workflow costs', rates === undefined ? missing('npm run bench:peers') : ratesSection(rates)],
    [
      'Targets',
      rates === undefined && recovery === undefined && start === undefined ? missing('npm run bench:peers') : targetsSection(results),
    ],
    ['After kill -9', recovery === undefined ? missing('npm run bench:peers') : recoverySection(recovery)],
    ['Start', start === undefined ? missing('npm run bench:peers') : startSection(start)],
    ['Where the time goes', hops === undefined ? missing(HOPS) : hopsSection(hops)],
    ['Cost does not grow', growth === undefined ? missing(GROWTH) : growthSection(growth)],
    ['Measure it yourself', REPEAT],
  ];
  return [
    '# Performance',
    '',
    '<!-- Generated from docs/results/performance by `npm run generate`. -->',
    '',
    INTRODUCTION,
    '',
    ...sections.flatMap(([title, text]) => [`## ${title}`, '', text, '']),
  ].join('\n');
}

const HOPS = 'npm run bench:hops -- --json docs/results/performance/hops.json';
const GROWTH = 'npm run bench:growth -- --json docs/results/performance/growth.json';

const INTRODUCTION = `Every figure comes from a script of this repository. **Read them as ratios within one run**: other machines, and other hours of the same
machine, give other figures. So peers, the floor and the disk are measured by turns in the same run, and every table says how long the disk took to
make one write durable meanwhile.`;

const WORK = `A workflow is started by HTTP, runs steps that do nothing, and is answered when it is complete. Its start, the result of every step and its end are
durable before the next thing happens. \`diamond5\` is \`a → (b, c, d) → e\`, \`chain20\` is twenty steps one after the other. \`c1\` is one workflow at
a time, \`c100\` a hundred at once; whoever has an answer starts the next workflow at once. Every engine runs alone, after a warm-up, round by round in the
same order; figures are medians over the rounds.

| row | what it is |
|---|---|
| TaskMaster | everything that \`task-master up\` starts, state-service and agent-coordinator as one process ([0029](decisions/0029-one-process-decides-and-does.md)), with authentication, hash chain, quotas, read models and recovery; \`MAX_CONCURRENT_WORKFLOWS=100\` |
| Restate | server with its defaults (replicated log on one node, flushed), steps in an SDK endpoint, client at the HTTP ingress with an idempotency key |
| DBOS | workflows and steps in one Node process on a Postgres of their own, pool of 20; behind a plain HTTP server, and in the process of its client |
| floor | our own hops by hand with no product in them: nothing is claimed, recovered, checked or authenticated |

Postgres is the same program with the same settings in every row: \`fsync\`, \`synchronous_commit\` and \`full_page_writes\` are on. CPU is user and system time
of all processes, the client included. Flushes are those that reach the device, of the whole machine. Memory is the proportional set size of all processes,
at its highest. What differs: Restate and DBOS have features that we do not have, and the other way round; DBOS in process pays no hop to its client.`;

const REPEAT = `\`\`\`
npm run bench:peers                       # three rounds of everything, the targets, and the files behind this page
npm run bench:peers -- --quick            # shows that it works
npm run bench:peers -- --gate             # fails when a gate is missed
${HOPS}
${GROWTH}
npm run generate                          # this page
\`\`\`

The peers are installed into a cache on first use; they are no dependency of the product. A machine that does something else meanwhile gives wrong figures.`;

function machineSection(headers: readonly ResultHeader[]): string {
  const [newest] = [...headers].sort((a, b) => b.at.localeCompare(a.at));
  if (newest === undefined) return missing('npm run bench:peers');
  const { cores, model, memoryMiB, platform } = newest.machine;
  const versions = Object.assign(
    {},
    ...[...headers].sort((a, b) => a.at.localeCompare(b.at)).map((header) => header.versions),
  ) as ResultHeader['versions'];
  const rows: readonly Row[] = [
    ['processor', `${String(cores)} cores, ${model}`],
    ['memory', `${(memoryMiB / 1024).toFixed(0)} GiB`],
    ['system', platform],
    ...Object.entries(versions).filter(([, version]) => version !== ''),
  ];
  return `${table(['', ''], rows)}\n\nClient, engine and database share these cores; all traffic is on loopback.`;
}

const flushLine = ({ flush, rounds }: RatesResult): string =>
  `In this run one write of 8 kB took ${fixed(flush.p50, 0)} µs (p50) and ${fixed(flush.p99, 0)} µs (p99) to be durable. Medians of ${String(rounds.length)} round${rounds.length === 1 ? '' : 's'}.`;

const PHASE_TITLES: Readonly<Record<PhaseName, string>> = {
  'diamond5-c1': 'Five steps, one workflow at a time',
  'chain20-c1': 'Twenty steps in a row, one workflow at a time',
  'diamond5-c100': 'Five steps, a hundred workflows at once',
  'chain1-c100': 'One step, a hundred workflows at once',
  'chain20-c100': 'Twenty steps in a row, a hundred workflows at once',
};

function ratesSection(rates: RatesResult): string {
  const phases = (Object.keys(PHASE_TITLES) as PhaseName[]).filter((name) => rates.engines.ours?.[name] !== undefined);
  const skipped = [
    ...new Set(rates.rounds.flatMap(({ skipped: left }) => Object.entries(left).map(([name, why]) => `${name} was left out: ${why}`))),
  ];
  return [measuredAs(rates), flushLine(rates), ...skipped, ...phases.map((name) => phaseTable(rates, name))].join('\n\n');
}

function phaseTable({ engines }: RatesResult, name: PhaseName): string {
  const ours = engines.ours?.[name];
  const rows = ENGINE_NAMES.flatMap((engine) => {
    const figures = engines[engine]?.[name];
    return figures === undefined ? [] : [phaseRow(ENGINE_TITLES[engine], figures, ours)];
  });
  const headings = [
    '',
    'workflows/s',
    'ours is',
    'p50 / p95 / p99 ms',
    'CPU ms',
    'ours is',
    'flushes',
    'WAL bytes',
    'memory MiB',
    'failed',
  ];
  const busiest = engines.ours?.[name]?.cpuMsBy ?? {};
  const cpu = Object.entries(busiest)
    .sort(([, a], [, b]) => b - a)
    .map(([process, ms]) => `${process} ${fixed(ms, 3)}`)
    .join(', ');
  return `### ${PHASE_TITLES[name]}\n\n${table(headings, rows)}\n\nOur CPU in ms by process: ${cpu}.`;
}

function phaseRow(title: string, f: PhaseFigures, ours: PhaseFigures | undefined): Row {
  const isOurs = f === ours;
  return [
    isOurs ? `**${title}**` : title,
    fixed(f.perSecond, f.perSecond < 100 ? 1 : 0),
    isOurs ? '' : times((ours?.perSecond ?? Number.NaN) / f.perSecond),
    `${fixed(f.p50, 1)} / ${fixed(f.p95, 1)} / ${fixed(f.p99, 1)}`,
    fixed(f.cpuMs, 2),
    isOurs ? '' : times((ours?.cpuMs ?? Number.NaN) / f.cpuMs),
    fixed(f.deviceFlushes, 2),
    fixed(f.walBytes, 0),
    fixed(f.peakPssMiB, 0),
    String(f.failed),
  ];
}

function targetsSection(results: PerformanceResults): string {
  const text = `A gate fails the build, a goal is announced when it is met, a stretch is for pride. The ratio is ours divided by what it is compared with, in one run.`;
  const flush = results.rates === undefined ? [] : [flushLine(results.rates)];
  return [text, ...flush, table(VERDICT_HEADINGS, judge(results).map(cellsOf))].join('\n\n');
}

function recoverySection(recovery: RecoveryResult): string {
  const rows = recovery.kills.map((f) => [
    ENGINE_TITLES[f.engine],
    f.killed,
    String(f.inFlight),
    String(f.doneMs),
    f.answeredMs === null ? 'callers lost their answers' : String(f.answeredMs),
    String(f.lostCalls),
    String(f.lost),
    f.doubled === null ? 'not looked at' : String(f.doubled),
  ]);
  const text = `One process is killed while a hundred chains of twenty steps are in flight; nothing new is started then. Our processes are started again by their
supervisor, those of the peers by the measurement, at once. Callers ask again with the same key where the engine knows keys. Lost is a workflow that was handed
in and did not complete; doubled is a workflow nobody handed in, or a step or a workflow that was settled twice, by the log.`;
  const headings = ['engine', 'killed', 'in flight', 'done after ms', 'answered after ms', 'calls made again or lost', 'lost', 'doubled'];
  return [measuredAs(recovery), text, table(headings, rows)].join('\n\n');
}

function startSection(result: StartResult): string {
  const { start } = result;
  const rows: readonly Row[] = [
    ['an empty Nest process on Fastify', String(start.emptyNestMs), '', fixed(start.emptyNestPssMiB, 0), ''],
    ...Object.entries(start.services).map(([service, ms]) => {
      const pss = start.servicesPssMiB[service];
      return [service, String(ms), times(ms / start.emptyNestMs), fixed(pss, 0), times((pss ?? Number.NaN) / start.emptyNestPssMiB)];
    }),
  ];
  const up = `From nothing, with a new data directory, Postgres, NATS, the schema and all services, the platform is up after ${String(start.upMs)} ms.`;
  const how = `Services start as \`task-master up\` starts them, each from one bundled file; the empty process loads Nest and Fastify from their packages, as a new
project does.`;
  return [measuredAs(result), how, table(['process', 'ready after ms', 'to empty', 'memory MiB', 'to empty'], rows), up].join('\n\n');
}

function hopsSection(hops: HopsResult): string {
  const text = `CPU by process is the operating system's, without profilers; it is divided by groups of functions as each service's own profile is. Milliseconds of
CPU for a workflow of ${String(hops.steps)} steps (${hops.shape}).`;
  const loads = hops.loads.map((load) => {
    const processes = Object.entries(load.cpuMsBy).map(([name, ms]) => [name, fixed(ms, 3), groupsOf(load.byGroup[name])]);
    const statements = load.statements
      .slice(0, STATEMENTS_MAX)
      .map((s) => [`\`${s.text.replaceAll('|', '\\|')}\``, s.top ? 'client' : 'function', fixed(s.calls, 3), fixed(s.ms, 3)]);
    return [
      `### ${String(load.concurrent)} at once`,
      `${fixed(load.workflowsPerSecond, 0)} workflows/s, p50 ${fixed(load.latencyMs.p50, 1)} ms, ${fixed(load.cpuMs, 2)} ms of CPU.`,
      table(['process', 'CPU ms', 'of which'], processes),
      table(['statement', 'sent by', 'calls', 'ms'], statements),
    ].join('\n\n');
  });
  return [measuredAs(hops), text, ...loads].join('\n\n');
}

const STATEMENTS_MAX = 8;
const GROUP_MS_MIN = 0.005;
const groupsOf = (groups: Readonly<Record<string, number>> = {}): string =>
  Object.entries(groups)
    .filter(([, ms]) => ms >= GROUP_MS_MIN)
    .map(([group, ms]) => `${group} ${fixed(ms, 3)}`)
    .join(', ');

function growthSection(growth: GrowthResult): string {
  const [time, cpu] = [growthOf(growth.logs, (f) => 1 / f.eventsPerSecond), growthOf(growth.logs, (f) => f.postgresCpuMsPerBatch)];
  const logs = growth.logs.map((f, i) => [
    f.eventsBefore.toLocaleString('en'),
    f.eventsPerSecond.toLocaleString('en'),
    times(time[i]),
    fixed(f.postgresCpuMsPerBatch, 3),
    times(cpu[i]),
  ]);
  const [wall, spent] = [growthOf(growth.chains, (f) => f.msPerStep), growthOf(growth.chains, (f) => f.cpuMsPerStep)];
  const chains = growth.chains.map((f, i) => [
    String(f.steps),
    fixed(f.msPerStep, 3),
    times(wall[i]),
    fixed(f.cpuMsPerStep, 3),
    times(spent[i]),
  ]);
  const kept = (values: readonly (readonly number[])[], max: number): string =>
    values.flat().every((value) => value <= max)
      ? `Kept: nothing is more than ${times(max)}.`
      : `**Not kept: something is more than ${times(max)}.**`;
  return [
    measuredAs(growth),
    'Appends of 64 events in a batch, three batches in flight, to logs that hold so many events already:',
    table(['events before', 'events/s', 'time', 'Postgres CPU ms a batch', 'CPU'], logs),
    kept([time, cpu], LOG_GROWTH_MAX),
    'Steps of a workflow that has so many, one after the other, one workflow at a time:',
    table(['steps', 'ms a step', 'time', 'CPU ms a step', 'CPU'], chains),
    kept([wall, spent], CHAIN_GROWTH_MAX),
  ].join('\n\n');
}
