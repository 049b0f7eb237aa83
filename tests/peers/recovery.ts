import pg from 'pg';
import { pollUntil } from '@taskmaster/provision';
import { planOf } from '../performance/plan-shapes.js';
import { httpClient } from '../platform/http-client.js';
import { Child } from './child.js';
import type { EngineName } from './engine.js';
import { startDbosParts } from './engines/dbos.js';
import { startRestateParts } from './engines/restate.js';
import { PeerMissing } from './packages.js';
import { CONCURRENT, scratchFolder, type Bench } from './rates.js';
import { headOf, judgeLog, pendingOfDbos } from './recovery-checks.js';
import { startRecoveryLoad, type Flight, type RecoveryLoad } from './recovery-load.js';
import type { PlatformProcesses, PlatformReady } from './roles/platform.js';

/** What became of the workflows that were in flight when a process was killed; times in milliseconds after the kill. */
export interface RecoveryFigures {
  readonly engine: EngineName;
  readonly killed: string;
  readonly inFlight: number;
  /** Until the last of them had ended. */
  readonly doneMs: number;
  /** Until the last caller had its answer; null where callers lost theirs for good. */
  readonly answeredMs: number | null;
  readonly lostCalls: number;
  readonly lost: number;
  /** Workflows or steps that happened twice; null where the engine's own records were not looked at. */
  readonly doubled: number | null;
}

const STEPS = 20;
const DONE_MS_MAX = 60_000;
const OUR_SERVICES = ['engine', 'gateway', 'nlp-service'] as const;
const ENDED: ReadonlySet<string> = new Set(['completed']);

const loadMs = ({ options }: Bench): number => (options.quick ? 2_000 : 4_000);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const rounded = (ms: number): number => Math.round(ms);

/** Kills the engines that were asked for, one process at a time, under load. */
export async function measureRecovery(bench: Bench): Promise<readonly RecoveryFigures[]> {
  const { options, cleanup, say } = bench;
  const measures: readonly (readonly [EngineName, () => Promise<readonly RecoveryFigures[]>])[] = [
    ['ours', () => recoverOurs(bench)],
    ['restate', () => recoverRestate(bench)],
    ['dbos-http', () => recoverDbos(bench)],
  ];
  const figures: RecoveryFigures[] = [];
  for (const [name, measure] of measures.filter(([engine]) => options.only.includes(engine))) {
    try {
      figures.push(...(await measure()));
    } catch (error) {
      if (!(error instanceof PeerMissing)) throw error;
      say(`SKIPPED: recovery of ${name}: ${error.message}`);
    } finally {
      await cleanup.run();
    }
  }
  return figures;
}

const inFlightAt = (flights: readonly Flight[], killedAt: number): readonly Flight[] =>
  flights.filter(({ begin, end }) => begin < killedAt && (end === undefined || end > killedAt));

const answeredMs = (flights: readonly Flight[], killedAt: number): number | null =>
  flights.some(({ end }) => end === undefined) ? null : Math.max(0, ...flights.map(({ end }) => (end ?? 0) - killedAt));

function told(bench: Bench, figures: RecoveryFigures): RecoveryFigures {
  const { engine, killed, inFlight, doneMs, lostCalls, lost, doubled } = figures;
  const answered = figures.answeredMs === null ? 'callers lost their answers' : `answered after ${String(figures.answeredMs)} ms`;
  bench.say(
    `${engine.padEnd(10)} kill -9 of ${killed}: ${String(inFlight)} in flight, done after ${String(doneMs)} ms, ${answered}, ${String(lostCalls)} calls made again or lost, lost ${String(lost)}, doubled ${doubled === null ? 'not looked at' : String(doubled)}`,
  );
  return figures;
}

async function underLoad(bench: Bench, load: RecoveryLoad, kill: () => Promise<void> | void): Promise<number> {
  await pause(loadMs(bench));
  load.finish();
  const killedAt = performance.now();
  await kill();
  return killedAt;
}

async function recoverOurs(bench: Bench): Promise<readonly RecoveryFigures[]> {
  const { cleanup } = bench;
  const platform = await Child.start<PlatformReady>('platform', { concurrent: CONCURRENT });
  cleanup.add(() => platform.stop());
  const database = new pg.Pool({ connectionString: platform.ready.databaseUrl, max: 1 });
  database.on('error', () => undefined);
  cleanup.add(() => database.end());
  const client = httpClient(platform.ready.address, platform.ready.apiKey);
  cleanup.add(() => Promise.resolve(client.close()));
  const figures: RecoveryFigures[] = [];
  for (const service of OUR_SERVICES) figures.push(await recoverOurService(service, { bench, platform, database, client }));
  return figures;
}

interface OurPlatform {
  readonly bench: Bench;
  readonly platform: Child<PlatformReady>;
  readonly database: pg.Pool;
  readonly client: ReturnType<typeof httpClient>;
}

async function recoverOurService(service: string, { bench, platform, database, client }: OurPlatform): Promise<RecoveryFigures> {
  const after = await headOf(database);
  const body = { profile: 'simple', title: 'chain of 20', plan: planOf('chain', STEPS) };
  const call = async (key: string): Promise<void> => {
    const headers = { prefer: 'wait=30', 'idempotency-key': `${service}-${key}` };
    const answer = await client.call('POST', '/api/workflows/execute', { body, headers });
    const status = (answer.body as { readonly status?: string } | undefined)?.status ?? '';
    if (answer.status >= 300 || !ENDED.has(status)) throw new Error(`answered ${String(answer.status)} ${status}`);
  };
  const load = startRecoveryLoad(call, { concurrency: CONCURRENT, again: true });
  let killedAtClock = 0;
  const killedAt = await underLoad(bench, load, async () => {
    const pid = (await platform.ask<PlatformProcesses>('processes')).find(([, name]) => name === service)?.[0];
    if (pid === undefined) throw new Error(`${service} does not run`);
    killedAtClock = Date.now();
    process.kill(pid, 'SIGKILL');
  });
  await load.done;
  const flights = inFlightAt(load.flights, killedAt);
  const verdict = await judgeLog(database, { after, handedIn: load.flights.length, steps: STEPS });
  const answered = answeredMs(flights, killedAt);
  return told(bench, {
    engine: 'ours',
    killed: service,
    inFlight: flights.length,
    doneMs: rounded(Math.max(0, verdict.endedAt - killedAtClock)),
    answeredMs: answered === null ? null : rounded(answered),
    lostCalls: load.flights.reduce((total, { lostCalls }) => total + lostCalls, 0),
    lost: verdict.lost,
    doubled: verdict.doubled,
  });
}

async function recoverRestate(bench: Bench): Promise<readonly RecoveryFigures[]> {
  const { cleanup, say } = bench;
  const scratch = await scratchFolder(cleanup);
  const { ingress, restartEndpoint } = await startRestateParts({ cleanup, scratch, concurrent: CONCURRENT, say });
  const client = httpClient(ingress, '');
  cleanup.add(() => Promise.resolve(client.close()));
  const body = { shape: 'chain', steps: STEPS };
  const call = async (key: string): Promise<void> => {
    const { status } = await client.call('POST', '/bench/run', { body, headers: { 'idempotency-key': key } });
    if (status >= 300) throw new Error(`answered ${String(status)}`);
  };
  const load = startRecoveryLoad(call, { concurrency: CONCURRENT, again: true });
  const killedAt = await underLoad(bench, load, restartEndpoint);
  await load.done;
  const flights = inFlightAt(load.flights, killedAt);
  const answered = answeredMs(flights, killedAt);
  return [
    told(bench, {
      engine: 'restate',
      killed: 'SDK endpoint',
      inFlight: flights.length,
      doneMs: rounded(answered ?? Number.NaN),
      answeredMs: answered === null ? null : rounded(answered),
      lostCalls: load.flights.reduce((total, { lostCalls }) => total + lostCalls, 0),
      lost: load.flights.filter(({ end }) => end === undefined).length,
      doubled: null,
    }),
  ];
}

async function recoverDbos(bench: Bench): Promise<readonly RecoveryFigures[]> {
  const { cleanup, say } = bench;
  const scratch = await scratchFolder(cleanup);
  const { address, databaseUrl, restart } = await startDbosParts({ cleanup, scratch, concurrent: CONCURRENT, say });
  const database = new pg.Pool({ connectionString: databaseUrl, max: 1 });
  database.on('error', () => undefined);
  cleanup.add(() => database.end());
  const client = httpClient(address, '');
  cleanup.add(() => Promise.resolve(client.close()));
  const call = async (): Promise<void> => {
    const { status } = await client.call('POST', '/', { body: { shape: 'chain', steps: STEPS } });
    if (status >= 300) throw new Error(`answered ${String(status)}`);
  };
  const load = startRecoveryLoad(call, { concurrency: CONCURRENT, again: false });
  const killedAt = await underLoad(bench, load, restart);
  const inFlight = await pendingOfDbos(database);
  const isDone = async (): Promise<boolean> => (await pendingOfDbos(database)) === 0;
  const ended = await pollUntil(isDone, { deadlineMs: DONE_MS_MAX, intervalMs: 10 });
  const doneMs = performance.now() - killedAt;
  await load.done;
  return [
    told(bench, {
      engine: 'dbos-http',
      killed: 'engine',
      inFlight,
      doneMs: rounded(doneMs),
      answeredMs: null,
      lostCalls: load.flights.reduce((total, { lostCalls }) => total + lostCalls, 0),
      lost: ended ? 0 : await pendingOfDbos(database),
      doubled: null,
    }),
  ];
}
