import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ProcessCosts, sum } from '../performance/processes.js';
import { platformModule } from '../platform/platform-under-test.js';
import { Child } from './child.js';
import { startPeerNats, startPeerPostgres } from './engines/servers.js';
import { median } from './figures.js';
import { CONCURRENT, scratchFolder, type Bench } from './rates.js';
import type { PlatformReady } from './roles/platform.js';

/** Milliseconds from the start of a process until it says that it is ready, on an empty log. */
export interface StartFigures {
  readonly emptyNestMs: number;
  readonly emptyNestPssMiB: number;
  readonly services: Readonly<Record<string, number>>;
  /** At rest, right after its start. */
  readonly servicesPssMiB: Readonly<Record<string, number>>;
  /** Everything: a new data directory, Postgres, NATS, migration and all services. */
  readonly upMs: number;
}

/** The engine runs while the others start: they look for what it makes. The last two start in a cluster only. */
const SERVICES = ['engine', 'gateway', 'nlp-service', 'state-service', 'agent-coordinator'] as const;
const READY_MS_MAX = 60_000;
const STARTS = 3;

interface Started {
  readonly ms: number;
  readonly pssMiB: number;
}

export async function measureStart(bench: Bench): Promise<StartFigures> {
  const { cleanup, say, options } = bench;
  try {
    const scratch = await scratchFolder(cleanup);
    const setting = { cleanup, scratch, concurrent: CONCURRENT, say };
    const [postgres, nats] = [await startPeerPostgres(setting), await startPeerNats(setting)];
    const variables = {
      PATH: process.env['PATH'] ?? '',
      NODE_ENV: 'production',
      LOG_LEVEL: 'warn',
      DATABASE_URL: postgres.url,
      NATS_URL: nats.url,
      GATEWAY_PORT: '0',
      NLP_PROVIDER: 'offline',
      WORKSPACES_DIR: join(scratch, 'workspaces'),
    };
    const emptyNest = [fileURLToPath(new URL('./roles/empty-nest.js', import.meta.url))];
    const starts = options.quick ? 1 : STARTS;
    await startOnce(await commandOf(SERVICES[0]), variables); // brings the database to its schema
    const rounds: StartedRound[] = [];
    // By turns, so that what else happens on the machine meets all alike.
    for (let i = 0; i < starts; i += 1) rounds.push(await startAll(emptyNest, variables));
    await cleanup.run();
    const figures = { ...figuresOf(rounds), upMs: await upMs(bench) };
    say(startLine(figures));
    return figures;
  } finally {
    await cleanup.run();
  }
}

/** Flags and file, as the platform starts a service. */
async function commandOf(service: (typeof SERVICES)[number]): Promise<readonly string[]> {
  const { nodeFlagsOf, programOf } = await platformModule();
  return [...nodeFlagsOf(service), await programOf(process.cwd(), service)];
}

/** By name; the empty process is called `EMPTY`. */
type StartedRound = ReadonlyMap<string, Started>;
const EMPTY = 'empty';

async function startAll(emptyNest: readonly string[], variables: Readonly<Record<string, string>>): Promise<StartedRound> {
  const started = new Map([[EMPTY, await startOnce(emptyNest, variables)]]);
  const state = await launch(await commandOf(SERVICES[0]), variables);
  try {
    started.set(SERVICES[0], state.started);
    for (const service of SERVICES.slice(1)) started.set(service, await startOnce(await commandOf(service), variables));
  } finally {
    await state.stop();
  }
  return started;
}

function figuresOf(rounds: readonly StartedRound[]): Omit<StartFigures, 'upMs'> {
  const of = (name: string, figure: keyof Started): number => median(rounds.map((round) => round.get(name)?.[figure] ?? Number.NaN));
  return {
    emptyNestMs: of(EMPTY, 'ms'),
    emptyNestPssMiB: of(EMPTY, 'pssMiB'),
    services: Object.fromEntries(SERVICES.map((service) => [service, of(service, 'ms')])),
    servicesPssMiB: Object.fromEntries(SERVICES.map((service) => [service, of(service, 'pssMiB')])),
  };
}

const startLine = ({ emptyNestMs, services, upMs: up }: StartFigures): string =>
  `cold start: empty Nest ${String(emptyNestMs)} ms; ${Object.entries(services)
    .map(([name, ms]) => `${name} ${String(ms)}`)
    .join(', ')} ms; everything from nothing ${String(up)} ms`;

async function startOnce(command: readonly string[], env: Readonly<Record<string, string>>): Promise<Started> {
  const { started, stop } = await launch(command, env);
  await stop();
  return started;
}

async function launch(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ readonly started: Started; readonly stop: () => Promise<void> }> {
  const begin = performance.now();
  const child = spawn(process.execPath, command, { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = new Promise<number | null>((settle) => child.once('exit', settle));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), READY_MS_MAX);
    await ended;
    clearTimeout(force);
  };
  const late = setTimeout(() => child.kill('SIGKILL'), READY_MS_MAX);
  const isReady = await Promise.race([new Promise<true>((ready) => child.once('message', () => ready(true))), ended.then(() => false)]);
  const ms = Math.round(performance.now() - begin);
  clearTimeout(late);
  if (!isReady) throw new Error(`${command.join(' ')} did not start`);
  const pid = child.pid ?? 0;
  const pssMiB = Number(sum(new ProcessCosts(() => new Map([[pid, 'service']])).pssMiB()).toFixed(1));
  return { started: { ms, pssMiB }, stop };
}

async function upMs({ cleanup }: Bench): Promise<number> {
  const platform = await Child.start<PlatformReady>('platform', { concurrent: CONCURRENT });
  cleanup.add(() => platform.stop());
  return platform.ready.startedInMs;
}
