import pg from 'pg';
import { startPlatformUnderTest } from '../platform/platform-under-test.js';
import { Cleanup } from './cleanup.js';
import { ProcessCosts, spentBetween, sum } from './processes.js';

/** What a platform costs that nobody uses. */
export interface IdleFigures {
  readonly seconds: number;
  /** Percent of one core, over all processes. */
  readonly corePercent: number;
  readonly corePercentBy: Readonly<Record<string, number>>;
  /** Statements per second of all services, each a transaction of its own. */
  readonly queriesPerSecond: number;
  readonly limits: { readonly corePercent: number; readonly queriesPerSecond: number };
}

export const IDLE_LIMITS = { corePercent: 3, queriesPerSecond: 5 } as const;
/** After a start: connections, registrations, first looks. */
const SETTLE_MS = 10_000;
/** A session publishes its statistics when it has been idle for a second, else at least once a minute; polling ones lag by a second. */
const STATISTICS_DELAY_MS = 1_100;
/** The first reading counts among what the second reads. */
const OWN_STATEMENTS = 1;

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const rounded = (value: number): number => Number(value.toFixed(2));

/** Starts a platform as `npm start` does, leaves it alone, and reads what it spent meanwhile. */
export async function measureIdle(seconds: number, say: (text: string) => void): Promise<IdleFigures> {
  const cleanup = new Cleanup();
  const platform = await startPlatformUnderTest({ onProgress: say });
  cleanup.add(() => platform.discard());
  const client = new pg.Client({ connectionString: platform.databaseUrl });
  client.on('error', () => undefined);
  try {
    await client.connect();
    say(`platform ready in ${String(platform.startedInMs)} ms; left alone for ${String(seconds)} s`);
    const costs = new ProcessCosts(
      () => new Map([[process.pid, 'supervisor'], ...platform.processes().map(({ pid, name }) => [pid, name] as const)]),
    );
    await wait(SETTLE_MS);
    const before = { transactions: await transactions(client), cpu: costs.cpu(), at: performance.now() };
    await wait(seconds * 1000);
    const cpu = spentBetween(before.cpu, costs.cpu());
    const elapsedMs = performance.now() - before.at;
    const after = await transactions(client);
    const percent = (ms: number): number => rounded((ms / elapsedMs) * 100);
    return {
      seconds,
      corePercent: percent(sum(cpu)),
      corePercentBy: Object.fromEntries(Object.entries(cpu).map(([name, ms]) => [name, percent(ms)])),
      queriesPerSecond: rounded(((after - before.transactions - OWN_STATEMENTS) / (elapsedMs + STATISTICS_DELAY_MS)) * 1000),
      limits: IDLE_LIMITS,
    };
  } finally {
    await client.end().catch(() => undefined);
    await cleanup.run();
    cleanup.dispose();
  }
}

/** Everything that anybody has asked this database so far. */
async function transactions(client: pg.Client): Promise<number> {
  await wait(STATISTICS_DELAY_MS);
  const { rows } = await client.query<{ count: number }>(
    'select (xact_commit + xact_rollback)::float8 as count from pg_stat_database where datname = current_database()',
  );
  return rows[0]?.count ?? 0;
}

export const isIdleEnough = ({ corePercent, queriesPerSecond }: IdleFigures): boolean =>
  corePercent <= IDLE_LIMITS.corePercent && queriesPerSecond <= IDLE_LIMITS.queriesPerSecond;

export const idleReport = (figures: IdleFigures): string =>
  [
    `idle for ${String(figures.seconds)} s: ${String(figures.corePercent)} % of a core (limit ${String(IDLE_LIMITS.corePercent)}), ` +
      `${String(figures.queriesPerSecond)} queries a second (limit ${String(IDLE_LIMITS.queriesPerSecond)})`,
    ...Object.entries(figures.corePercentBy)
      .sort(([, a], [, b]) => b - a)
      .map(([name, percent]) => `  ${name.padEnd(20)} ${percent.toFixed(2)} %`),
  ].join('\n');
