// `npm run bench:hops`: where the CPU of a workflow goes, by process, by group of functions and by statement.
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removePostgres, startPostgres } from '@taskmaster/provision';
import { startPlatformUnderTest, type PlatformUnderTest } from '../../platform/platform-under-test.js';
import { Cleanup } from '../cleanup.js';
import { DriverProcess } from '../driver-process.js';
import { ProcessCosts, spentBetween } from '../processes.js';
import { resultHeader } from '../result-header.js';
import { hopFigures, hopReport, type HopFigures, type HopReadings, type HopsResult } from './hop-figures.js';
import { parseHopsOptions, USAGE, type HopsOptions } from './options.js';
import { sumsOf } from './profile-groups.js';
import { profilingVariables, ServiceProfiles } from './service-profiles.js';
import { STATEMENT_SETTINGS, StatementTimes } from './statement-times.js';

const RATE_LIMIT_OFF = '100000000';
const SERVICES = ['engine', 'gateway', 'nlp-service'] as const;
/** The operating system counts CPU in hundredths of a second. */
const ONE_AT_A_TIME_MIN = 100;
const SHAPE = { shape: 'diamond', steps: 5 } as const;

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

interface Subject {
  readonly driver: DriverProcess;
  readonly costs: ProcessCosts;
  readonly profiles: ServiceProfiles;
  readonly statements: StatementTimes;
}

async function measure(subject: Subject, concurrent: number, { workflows, top }: HopsOptions): Promise<HopReadings> {
  const { driver, costs, profiles, statements } = subject;
  const count = concurrent === 1 ? Math.max(ONE_AT_A_TIME_MIN, Math.ceil(workflows / 10)) : workflows;
  const phase = { ...SHAPE, count, concurrency: concurrent };
  await driver.run({ ...phase, count: Math.ceil(count / 3) });
  const before = costs.cpu();
  const plain = await driver.run(phase);
  const cpu = spentBetween(before, costs.cpu());
  await statements.start();
  await profiles.start();
  const profiled = await driver.run(phase);
  const taken = await profiles.stop();
  const sums = new Map([...taken].map(([name, profile]) => [name, sumsOf(profile, top)]));
  return { concurrent, plain, cpu, profiled, profiles: sums, statements: await statements.stop() };
}

interface Setting {
  readonly platform: PlatformUnderTest;
  readonly profiles: string;
  /** The pid of the server. */
  readonly postgres: number;
  readonly options: HopsOptions;
  readonly cleanup: Cleanup;
}

async function measureAll({ platform, profiles, postgres, options, cleanup }: Setting): Promise<readonly HopFigures[]> {
  const driver = await DriverProcess.start({ address: platform.address, apiKey: platform.apiKey });
  cleanup.add(() => driver.stop());
  const statements = await StatementTimes.open(platform.databaseUrl);
  cleanup.add(() => statements.close());
  const named = platform.processes().map(({ pid, name }) => [pid, name] as const);
  const services = named.filter(([, name]) => SERVICES.some((service) => service === name));
  const subject: Subject = {
    driver,
    statements,
    costs: new ProcessCosts(() => new Map([[process.pid, 'supervisor'], [driver.pid, 'client'], [postgres, 'Postgres'], ...named])),
    profiles: new ServiceProfiles(profiles, new Map(services)),
  };
  const figures: HopFigures[] = [];
  for (const concurrent of [1, options.concurrent]) {
    say(`measuring ${String(concurrent)} at once`);
    figures.push(hopFigures(await measure(subject, concurrent, options)));
  }
  return figures;
}

async function run(options: HopsOptions): Promise<readonly HopFigures[]> {
  const cleanup = new Cleanup();
  try {
    const scratch = await mkdtemp(join(tmpdir(), 'taskmaster-hops-'));
    await chmod(scratch, 0o711);
    cleanup.add(() => rm(scratch, { recursive: true, force: true }));
    const directory = join(scratch, 'postgres');
    cleanup.add(() => removePostgres(directory));
    const postgres = await cleanup.during(startPostgres({ directory, settings: STATEMENT_SETTINGS, signal: cleanup.signal }));
    const profiles = join(scratch, 'profiles');
    await mkdir(profiles);
    const profiled = profilingVariables(profiles);
    const platform = await cleanup.during(
      startPlatformUnderTest({
        env: { MAX_CONCURRENT_WORKFLOWS: String(options.concurrent), DATABASE_URL: postgres.url },
        variables: {
          ...Object.fromEntries(SERVICES.map((service) => [service, profiled])),
          gateway: { ...profiled, RATE_LIMIT_PER_MINUTE: RATE_LIMIT_OFF },
        },
        simulatedAgent: 'never',
        onProgress: say,
        signal: cleanup.signal,
      }),
    );
    cleanup.add(() => platform.discard());
    return await measureAll({ platform, profiles, postgres: postgres.process.pid, options, cleanup });
  } finally {
    await cleanup.run();
    cleanup.dispose();
  }
}

const options = parseHopsOptions(process.argv.slice(2));
if (options === 'help') say(USAGE);
else if ('wrong' in options) {
  process.stderr.write(`${options.wrong}\n\n${USAGE}\n`);
  process.exitCode = 2;
} else {
  const at = new Date();
  const loads = await run(options);
  say(`\n${hopReport(loads)}`);
  const result: HopsResult = { ...(await resultHeader({ at, quick: false })), ...SHAPE, loads };
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(result, null, 2)}\n`);
}
