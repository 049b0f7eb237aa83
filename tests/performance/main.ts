// `npm run test:performance`: starts a platform of its own, drives workflows of no-op steps through HTTP, and prints what they cost.
import { writeFileSync } from 'node:fs';
import { startPlatformUnderTest, type PlatformUnderTest } from '../platform/platform-under-test.js';
import { BrokerCosts } from './broker-costs.js';
import { DatabaseCosts } from './database-costs.js';
import { DriverProcess } from './driver-process.js';
import { idleReport, isIdleEnough, measureIdle } from './idle.js';
import { parseOptions, USAGE, type PerformanceOptions } from './options.js';
import { ProcessCosts, spentBetween, sum } from './processes.js';
import { figuresOf, reportOf, type Figures, type Readings } from './report.js';

const RAW_APPEND_MS = 4_000;
const PSS_EVERY_MS = 2_000;
/** The highest that the gateway takes: a key may send this many requests a minute. */
const RATE_LIMIT_OFF = '100000000';

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

async function measure(platform: PlatformUnderTest, driver: DriverProcess, options: PerformanceOptions): Promise<Readings> {
  const { workflows, concurrent, steps, shape } = options;
  const database = new DatabaseCosts(platform.databaseUrl);
  const broker = await BrokerCosts.open(platform.natsUrl);
  const costs = new ProcessCosts(
    () =>
      new Map([[process.pid, 'supervisor'], [driver.pid, 'client'], ...platform.processes().map(({ pid, name }) => [pid, name] as const)]),
  );
  try {
    await driver.run({ shape, steps, count: Math.max(concurrent, Math.min(500, Math.ceil(workflows / 4))), concurrency: concurrent });
    const before = { database: await database.counters(), messages: await broker.messages(), cpu: costs.cpu() };
    let pss = costs.pssMiB();
    const sampler = setInterval(() => {
      const now = costs.pssMiB();
      if (sum(now) > sum(pss)) pss = now;
    }, PSS_EVERY_MS);
    const load = await driver.run({ shape, steps, count: workflows, concurrency: concurrent }).finally(() => {
      clearInterval(sampler);
    });
    const cpu = spentBetween(before.cpu, costs.cpu());
    const after = { database: await database.counters(), messages: await broker.messages() };
    const rawAppendPerSecond = await database.rawAppendPerSecond(RAW_APPEND_MS);
    return { load, cpu, pss, before, after, rawAppendPerSecond };
  } finally {
    await broker.close();
    await database.close();
  }
}

async function run(options: PerformanceOptions): Promise<Figures> {
  const platform = await startPlatformUnderTest({
    env: { MAX_CONCURRENT_WORKFLOWS: String(options.concurrent) },
    variables: { gateway: { RATE_LIMIT_PER_MINUTE: RATE_LIMIT_OFF } },
    simulatedAgent: 'never',
    onProgress: say,
  });
  let driver: DriverProcess | undefined;
  const end = (): void => {
    void Promise.allSettled([driver?.stop(), platform.discard()]).then(() => process.exit(130));
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  try {
    say(`platform ready in ${String(platform.startedInMs)} ms; at most ${String(options.concurrent)} workflows run at once`);
    driver = await DriverProcess.start({ address: platform.address, apiKey: platform.apiKey });
    return figuresOf(await measure(platform, driver, options), options);
  } finally {
    await driver?.stop();
    await platform.discard();
  }
}

interface Result {
  readonly figures: object;
  readonly report: string;
  readonly isGood: boolean;
}

async function loaded(asked: PerformanceOptions): Promise<Result> {
  const figures = await run(asked);
  return { figures, report: reportOf(figures), isGood: figures.failed === 0 && figures.completed === asked.workflows };
}

async function idle(seconds: number): Promise<Result> {
  const figures = await measureIdle(seconds, say);
  return { figures, report: idleReport(figures), isGood: isIdleEnough(figures) };
}

const options = parseOptions(process.argv.slice(2));
if (typeof options === 'string') {
  process.stderr.write(`${options}\n\n${USAGE}\n`);
  process.exitCode = 2;
} else {
  const { figures, report, isGood } = options.idle === undefined ? await loaded(options) : await idle(options.idle);
  say(report);
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
  process.exitCode = isGood ? 0 : 1;
}
