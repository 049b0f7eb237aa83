// `npm run bench:growth`: what an append costs when the log is long, and a step when the workflow is.
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '@taskmaster/event-log';
import { removePostgres, startPostgres, type PostgresServer } from '@taskmaster/provision';
import pg from 'pg';
import { startPlatformUnderTest, type PlatformUnderTest } from '../../platform/platform-under-test.js';
import { Cleanup } from '../cleanup.js';
import { DriverProcess } from '../driver-process.js';
import { ProcessCosts, spentBetween, sum } from '../processes.js';
import { resultHeader } from '../result-header.js';
import { appendBatches, type AppendRun } from './append-load.js';
import { fillLog } from './fill.js';
import {
  chainFigures,
  growthReport,
  logFigures,
  type ChainFigures,
  type ChainRun,
  type GrowthResult,
  type LogFigures,
} from './growth-figures.js';
import { parseGrowthOptions, USAGE, type GrowthOptions } from './options.js';

/** The operating system counts CPU in hundredths of a second, and a batch takes a few thousandths. */
const BATCHES = 300;
/** A log so short would grow by being measured, so a copy of it is. */
const COPIED_EVENTS_MAX = 100_000;
const STEPS_OF_A_RUN = 2_000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function measureLogs({ events, rounds }: GrowthOptions, cleanup: Cleanup): Promise<readonly LogFigures[]> {
  if (events.length === 0) return [];
  const scratch = await mkdtemp(join(tmpdir(), 'taskmaster-growth-'));
  await chmod(scratch, 0o711);
  cleanup.add(() => rm(scratch, { recursive: true, force: true }));
  const directory = join(scratch, 'postgres');
  cleanup.add(() => removePostgres(directory));
  const postgres = await cleanup.during(startPostgres({ directory, signal: cleanup.signal }));
  const filled = await fillAll(postgres, events);
  const runs = new Map<number, AppendRun[]>(events.map((count) => [count, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const [count, database] of filled) runs.get(count)?.push(await appendTo(postgres, database, count));
    say(`logs: round ${String(round)} of ${String(rounds)}`);
  }
  return events.map((count) => logFigures(count, runs.get(count) ?? []));
}

async function appendTo(postgres: PostgresServer, database: string, events: number): Promise<AppendRun> {
  const append = (name: string): Promise<AppendRun> => appendBatches(databaseUrl(postgres, name), BATCHES, postgres.process.pid);
  if (events > COPIED_EVENTS_MAX) return append(database);
  const copy = `${database}_copy`;
  await query(postgres, `create database ${copy} template ${database} strategy file_copy`);
  try {
    return await append(copy);
  } finally {
    await query(postgres, `drop database ${copy}`);
  }
}

/** A database for each length, each grown from a copy of the one before. */
async function fillAll(postgres: PostgresServer, events: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const filled = new Map<number, string>();
  let before: string | undefined;
  for (const count of events) {
    const name = `log_${String(count)}`;
    await query(postgres, `create database ${name}${before === undefined ? '' : ` template ${before} strategy file_copy`}`);
    const url = databaseUrl(postgres, name);
    await migrate(url);
    await fillLog(url, count, say);
    filled.set(count, name);
    before = name;
  }
  return filled;
}

function databaseUrl({ url }: PostgresServer, name: string): string {
  const of = new URL(url);
  of.pathname = `/${name}`;
  return of.href;
}

async function query({ url }: PostgresServer, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(text).finally(() => client.end());
}

async function measureChains({ steps, rounds }: GrowthOptions, cleanup: Cleanup): Promise<readonly ChainFigures[]> {
  if (steps.length === 0) return [];
  const platform = await cleanup.during(startPlatformUnderTest({ simulatedAgent: 'never', onProgress: say, signal: cleanup.signal }));
  cleanup.add(() => platform.discard());
  const driver = await DriverProcess.start({ address: platform.address, apiKey: platform.apiKey });
  cleanup.add(() => driver.stop());
  await driver.run({ shape: 'chain', steps: 20, count: 50, concurrency: 1 });
  const runs = new Map<number, ChainRun[]>(steps.map((count) => [count, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const count of steps) runs.get(count)?.push(await runChain(platform, driver, count));
    say(`chains: round ${String(round)} of ${String(rounds)}`);
  }
  return steps.map((count) => chainFigures(count, runs.get(count) ?? []));
}

/** As many workflows of that length as make the same number of steps. */
async function runChain(platform: PlatformUnderTest, driver: DriverProcess, steps: number): Promise<ChainRun> {
  const count = Math.max(1, Math.round(STEPS_OF_A_RUN / steps));
  const named = platform.processes().map(({ pid, name }) => [pid, name] as const);
  const costs = new ProcessCosts(() => new Map([[driver.pid, 'client'], ...named]));
  const before = costs.cpu();
  const load = await driver.run({ shape: 'chain', steps, count, concurrency: 1 });
  if (load.failed > 0) throw new Error(`a chain of ${String(steps)} steps failed: ${load.firstFailure ?? ''}`);
  return { steps: steps * count, wallMs: load.wallMs, cpuMs: sum(spentBetween(before, costs.cpu())) };
}

async function run(options: GrowthOptions): Promise<GrowthResult> {
  const cleanup = new Cleanup();
  const at = new Date();
  try {
    const logs = await measureLogs(options, cleanup);
    await cleanup.run();
    const chains = await measureChains(options, cleanup);
    return { ...(await resultHeader({ at, quick: false })), logs, chains };
  } finally {
    await cleanup.run();
    cleanup.dispose();
  }
}

const options = parseGrowthOptions(process.argv.slice(2));
if (options === 'help') say(USAGE);
else if ('wrong' in options) {
  process.stderr.write(`${options.wrong}\n\n${USAGE}\n`);
  process.exitCode = 2;
} else {
  const result = await run(options);
  say(`\n${growthReport(result)}`);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
}
