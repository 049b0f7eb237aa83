/** A result file of docs/results/reliability: what a torture or a simulation run wrote. */
export interface ReliabilityResult {
  readonly test: string;
  readonly at?: string;
  readonly revision?: string;
  readonly machine?: Machine;
  readonly [member: string]: unknown;
}

interface Machine {
  readonly model: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly node: string;
}

/** The members of a torture run's result that the document shows. */
export interface TortureResult extends ReliabilityResult {
  readonly test: 'torture';
  readonly seed: number;
  readonly seconds: number;
  /** State-service and agent-coordinator as one process; absent in older results, which ran them apart. */
  readonly together?: boolean;
  readonly broker: string;
  readonly database: string;
  readonly faults: Readonly<Record<string, number>>;
  readonly clients: Readonly<Record<string, number>>;
  readonly accepted: number;
  readonly unfinished: number;
  readonly violations: readonly string[];
  readonly longestAcceptMs: number;
  readonly drainMs: number;
  readonly events: number;
  readonly records: number;
}

const CLAIMS = `What is claimed, and checked after every run below:

- Whatever a client was told is accepted is in the log, with the version and at the position that it was told, and asking again gives the same answer.
- Every accepted workflow ends, once the faults are over.
- What a client saw in the live feed is what the log holds, in its order, with nothing missing.
- Every attempt is started and settled at most once, and every merged change is in its repository exactly once, with its tests passing.
- The other [invariants](architecture.md#invariants) hold.`;

const METHOD = `| test | what it is | how to run it |
|---|---|---|
| simulation | the real rules, command handler, relay and reactors on a clock and a world of one seed: thousands of runs, each replayable | \`npm run simulate -- --seeds 1000\` |
| torture | real processes: two of every service, Postgres, NATS, the simulated agent; a seed chooses what is killed, paused or robbed, and when | \`npm run torture -- --seconds 60 --seed 7\` |
| kill test | real processes, each killed once while attempts are open | \`npm run test:torture\` |
| history checker | one pure function over the log and what clients kept; the same in tests, in the demo and on a running system | \`task-master audit verify --records FILE\` |`;

const TORTURE = `While the faults last, clients hand in workflows of several shapes through both gateways: chains, fan-outs, commands, commands that never end
before their deadline, commands that fail, workflows in workflows, and the whole way from a requirement to a merge. They repeat requests at once and later, pause, resume and cancel.
A seed fixes what is done when, and not how the machine schedules it. Each seed leaves some kinds of fault out and does others more often.

| fault | what is done |
|---|---|
| kill | \`kill -9\` of any process |
| pause | a process or the broker sleeps for up to 8 s, more than twice the lease of an attempt (\`SIGSTOP\`) |
| pause-leader | the state-service that leads sleeps; mostly its database session is ended, so that another leads when it wakes up |
| postgres-stop | immediate stop: no checkpoint, recovery from the write-ahead log |
| nats-kill, nats-wipe | the broker is killed; its disk is gone as well |
| nats-rollback | the broker comes back on an older copy of its disk |
| nats-partition | of a cluster of three, one node hears nothing from the others and they nothing from it, for 2 to 15 s; clients reach all of them |
| forget | a worker takes work and says nothing about it, or says that it is done without doing it |`;

const NOT_TESTED = `- The loss of power, and disks that say that data is safe when it is not. Every process here may die at any instant; the machine does not.
- What decides that a standby of Postgres takes over: the tests kill the primary first, and never leave two of them that can be reached.
- Networks between machines: everything runs on one, and what cuts a node of the broker or a standby off is a program between them.
- Runs of days, and logs of more than some millions of events under faults.
- Real coding agents: the simulated one stands in for them, and is told to misbehave.`;

const sumOf = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

const countsOf = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([name, count]) => `${name} ${String(count)}`)
    .join(', ') || 'none';

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const machineOf = ({ machine, at, revision }: ReliabilityResult): string =>
  machine === undefined
    ? 'an unknown machine'
    : `${machine.model}, ${String(machine.cores)} cores, ${String(Math.round(machine.memoryMiB / 1024))} GiB, Node ${machine.node.replace(/^v/, '')}, revision ${revision ?? 'unknown'}, ${(at ?? '').slice(0, 10)}`;

const isTorture = (result: ReliabilityResult): result is TortureResult => result.test === 'torture';

/** The chapter of the torture runs: one row each, by broker and seed. */
function tortureChapter(results: readonly TortureResult[]): readonly string[] {
  if (results.length === 0) return ['No result has been committed yet.', ''];
  const rows = [...results]
    .sort(
      (one, other) =>
        Number(one.together ?? false) - Number(other.together ?? false) || one.broker.localeCompare(other.broker) || one.seed - other.seed,
    )
    .map((run) =>
      [
        String(run.seed),
        run.together === true ? 'engines' : 'services',
        run.broker,
        String(run.seconds),
        countsOf(run.faults),
        countsOf(run.clients),
        String(run.accepted),
        String(run.unfinished),
        String(run.violations.length),
        seconds(run.longestAcceptMs),
        seconds(run.drainMs),
      ].join(' | '),
    );
  const total = (of: (run: TortureResult) => number): string => String(results.reduce((sum, run) => sum + of(run), 0));
  const databases = [...new Set(results.map(({ database }) => database))].join(', ');
  return [
    `In all ${String(results.length)} runs with ${total((run) => run.seconds)} s of faults: ${total((run) => sumOf(run.faults))} faults, ${total((run) => run.accepted)} workflows accepted,`,
    `${total((run) => run.unfinished)} unfinished, ${total((run) => run.violations.length)} violations; ${total((run) => run.records)} answers and live events compared with ${total((run) => run.events)} events.`,
    '',
    '| seed | processes | broker | seconds | faults | clients, besides | accepted | unfinished | violations | longest time to accept | drained after |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${row} |`),
    '',
    `"Longest time to accept" is how long a client had to ask, faults and all, until it was told that its workflow is accepted. "Drained after" is the time from the end of`,
    'the faults to the end of the last workflow. "Services": each service is a process; "engines": state-service and agent-coordinator are one, as `task-master up`',
    'runs them. There are two of each.',
    '',
    `Machine: ${[...new Set(results.map(machineOf))].join('; ')}. Database: ${databases}.`,
    '',
  ];
}

/** A member of any other result as one row: numbers and texts as they are, lists by their length, counts by name. */
function valueOf(value: unknown): string {
  if (Array.isArray(value)) return String(value.length);
  if (typeof value === 'object' && value !== null) return countsOf(value as Readonly<Record<string, number>>);
  return String(value).replaceAll('|', '\\|');
}

const HEADING = new Set(['test', 'at', 'revision', 'machine']);

function simulationChapter(results: readonly ReliabilityResult[]): readonly string[] {
  if (results.length === 0) return ['No result has been committed yet.', ''];
  return results.flatMap((result) => [
    '| | |',
    '|---|---|',
    ...Object.entries(result)
      .filter(([name]) => !HEADING.has(name))
      .map(([name, value]) => `| ${name} | ${valueOf(value)} |`),
    '',
    `Machine: ${machineOf(result)}.`,
    '',
  ]);
}

/** docs/reliability.md: what is claimed, how it is tested, and what came of it. */
export function reliabilityDocument(results: readonly ReliabilityResult[]): string {
  return [
    '# Reliability',
    '',
    'Generated by `npm run generate` from the files in `docs/results/reliability`; do not edit. Every figure is from a run of the commands below.',
    '',
    CLAIMS,
    '',
    '## How it is tested',
    '',
    METHOD,
    '',
    '## Torture',
    '',
    TORTURE,
    '',
    ...tortureChapter(results.filter(isTorture)),
    '## Simulation',
    '',
    ...simulationChapter(results.filter((result) => !isTorture(result))),
    '## What could not be tested here',
    '',
    NOT_TESTED,
    '',
    '## Repeat it',
    '',
    '```',
    'npm run torture -- --seconds 60 --seeds 1-10 --json-dir docs/results/reliability',
    'npm run torture -- --seconds 60 --seeds 1-5 --together --json-dir docs/results/reliability',
    'npm run torture -- --seconds 60 --seeds 1-3 --nats-nodes 3 --json-dir docs/results/reliability     # with a nats-server of 2.11 or newer on PATH',
    'npm run simulate -- --seeds 1000 --json docs/results/reliability/simulate.json',
    'npm run generate',
    '```',
    '',
  ].join('\n');
}
