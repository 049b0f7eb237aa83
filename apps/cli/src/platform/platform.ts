import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  acquireLock,
  ensureOwnDirectory,
  ensureSecret,
  explainBrokenPlace,
  freePort,
  freePorts,
  identify,
  isPortFree,
  isRoot,
  stopNats,
  stopPostgres,
  type ProcessIdentity,
} from '@taskmaster/provision';
import { interpreterOf, wantedPrograms, wantsSimulatedAgent } from './choices.js';
import { watchRoom } from './disk-room.js';
import { rotateLog } from './log-file.js';
import { migrateDatabase } from './migration.js';
import { checkout, dataDirectory, portOf, type PlatformOptions } from './options.js';
import { PlatformFault } from './platform-fault.js';
import { simulatedAgentVariables, variablesOf, workspacesDirectory } from './service-variables.js';
import { useNats, usePostgres, type UsedBroker, type UsedServer } from './servers.js';
import type { Platform, PlatformEnd, PlatformProcess } from './running-platform.js';
import { programOf } from './program.js';
import { mainFileOf, migrationFileOf, servicesOf, visibleTo, type ProgramName, type ServiceName } from './services.js';
import { endLeftServices, readRecord, writeRecord } from './state-file.js';
import { superviseService, type SupervisedService, type Supervision } from './supervised-service.js';
import { watchCode } from './watch.js';

const DEFAULT_PORT = 3000;
const LOG_CHECK_MS = 10_000;

/** Starts Postgres, NATS and the services, and keeps them running. @throws PlatformFault | ProvisionFault, with nothing left running */
export async function startPlatform(options: PlatformOptions): Promise<Platform> {
  const builder = new PlatformBuilder(options);
  try {
    return await builder.start();
  } catch (error) {
    await builder.stop();
    throw explainBrokenPlace(dataDirectory(options.data, options.env), error);
  }
}

/** As root, the user that runs Postgres has to walk through to its own directory; what is secret in there is 0600. */
export const ensureDataDirectory = (data: string): Promise<void> => ensureOwnDirectory(data, isRoot() ? 0o711 : 0o700);

class PlatformBuilder {
  private readonly home: string;
  private readonly data: string;
  private readonly logs: string;
  private readonly began = performance.now();
  private readonly failed = new AbortController();
  private readonly signal: AbortSignal;
  private readonly services: SupervisedService[] = [];
  private readonly pending = new Set<Promise<unknown>>();
  private postgres: UsedServer | undefined;
  private nats: UsedBroker | undefined;
  /** Under which the services use the database; not its owner's, where it is ours. */
  private serviceDatabaseUrl = '';
  private port = 0;
  /** Those of further gateways, which come back on them. */
  private morePorts: readonly number[] = [];
  /** Whether another port will do when that one is taken. */
  private mayMove = false;
  private self: ProcessIdentity | undefined;
  private releaseLock: (() => Promise<void>) | undefined;
  private stopWatching: (() => void) | undefined;
  private logTimer: NodeJS.Timeout | undefined;
  private stopWatchingRoom: (() => void) | undefined;
  private recording: Promise<void> = Promise.resolve();
  private stopped: Promise<void> | undefined;
  private isClosed = false;
  private fault: PlatformFault | undefined;
  private settleEnd: (end: PlatformEnd) => void = () => undefined;
  private readonly ended = new Promise<PlatformEnd>((settle) => (this.settleEnd = settle));

  constructor(private readonly options: PlatformOptions) {
    this.home = options.home ?? checkout();
    this.data = dataDirectory(options.data, options.env);
    this.logs = join(this.data, 'logs');
    this.signal = options.signal === undefined ? this.failed.signal : AbortSignal.any([options.signal, this.failed.signal]);
    // Everything that is being started listens; how much that is depends on how many processes are wanted.
    setMaxListeners(0, this.signal);
  }

  async start(): Promise<Platform> {
    this.signal.throwIfAborted();
    this.refuseUnbuilt();
    await this.openData();
    await this.takeLock();
    await this.cleanUp();
    this.port = await this.givenPort();
    const apiKeyFile = join(this.data, 'api-key');
    const apiKey = await ensureSecret(apiKeyFile);
    const agentPorts = this.startSimulatedAgent();
    await this.all([this.startServers(), agentPorts]);
    await this.startServices(createHash('sha256').update(apiKey).digest('hex'), await agentPorts);
    this.signal.throwIfAborted();
    this.keepWatch();
    return this.describe(apiKey, apiKeyFile);
  }

  private refuseUnbuilt(): void {
    const files = [...wantedPrograms(this.options).map((program) => mainFileOf(this.home, program)), migrationFileOf(this.home)];
    const missing = files.filter((file) => !existsSync(file));
    if (missing.length === 0) return;
    throw new PlatformFault('not-built', `The services are not built (${missing[0] ?? ''} is missing).`, 'run `npm run build`.');
  }

  private async openData(): Promise<void> {
    await ensureDataDirectory(this.data);
    await mkdir(this.logs, { recursive: true, mode: 0o700 });
    await mkdir(join(this.data, 'workspaces'), { recursive: true, mode: 0o700 });
  }

  private async takeLock(): Promise<void> {
    this.self = await identify(process.pid);
    const lock = await acquireLock(join(this.data, 'platform.lock'));
    if (lock.kind === 'acquired') {
      this.releaseLock = () => lock.release();
      return;
    }
    const record = await readRecord(this.data);
    const isKnown = record?.supervisor.startedAt === lock.by.startedAt && record.supervisor.pid === lock.by.pid;
    throw new PlatformFault(
      'already-running',
      `TaskMaster already runs on ${this.data} (process ${String(lock.by.pid)})${isKnown ? `, at ${record.address}` : ' and is still starting'}.`,
      'use that one, stop it first, or choose another place with --data DIR.',
    );
  }

  private async cleanUp(): Promise<void> {
    const record = await readRecord(this.data);
    if (record === undefined) return;
    const left = await endLeftServices(record);
    if (left.length > 0) this.say(`stopped what an earlier run had left: ${left.join(', ')}`);
  }

  /** The port that was asked for; the last one or the default where nothing was said, and 0 for any. */
  private async givenPort(): Promise<number> {
    const given = this.options.port ?? portOf(this.options.env['GATEWAY_PORT']);
    this.mayMove = given === undefined;
    if (given === undefined) return (await readRecord(this.data))?.port ?? DEFAULT_PORT;
    if (given === 0 || (await isPortFree(given))) return given;
    throw new PlatformFault(
      'port-taken',
      `Port ${String(given)} is taken, so the gateway cannot listen on it.`,
      'stop the program that uses it, choose another with --port or GATEWAY_PORT, or leave both out to get a free one.',
    );
  }

  /** As late as can be: everything else that listens has its port by now. */
  private async settlePort(): Promise<void> {
    if (this.port === 0 || (this.mayMove && !(await isPortFree(this.port)))) this.port = await freePort();
  }

  private async startServers(): Promise<void> {
    const { data, signal } = this;
    const context = { data, signal, env: this.options.env, supervision: this.supervision() };
    this.say('starting Postgres and NATS');
    const postgres = usePostgres(context).then(async (used) => {
      this.postgres = used;
      await this.record();
      const directory = used.supervised === undefined ? undefined : join(data, 'postgres');
      this.serviceDatabaseUrl = await migrateDatabase({ home: this.home, env: this.options.env, databaseUrl: used.url, directory, signal });
    });
    const nats = useNats(context).then(async (used) => {
      this.nats = used;
      await this.record();
    });
    await this.all([postgres, nats]);
  }

  /** What decides makes what the others look for, so it starts before them. */
  private async startServices(apiKeyHash: string, agentPorts: readonly number[]): Promise<void> {
    this.say('starting the services');
    const inputs = {
      env: this.options.env,
      databaseUrl: this.serviceDatabaseUrl,
      natsUrlFor: (service: ServiceName): string => this.nats?.urlFor(service) ?? '',
      apiKeyHash,
      data: this.data,
      port: 0,
      interpreter: interpreterOf(this.options.env),
      agentPorts,
    };
    const wanted = wantedPrograms(this.options);
    const start = (...programs: readonly Exclude<ProgramName, 'gateway' | 'simulated-agent'>[]): readonly Promise<void>[] =>
      programs.filter((program) => wanted.includes(program)).flatMap((program) => this.replicasOf(program, variablesOf(program, inputs)));
    await this.all(start('engine', 'state-service'));
    await this.settlePort();
    this.morePorts = await freePorts(this.countOf('gateway') - 1);
    const gateways = [this.port, ...this.morePorts].map((port, index) =>
      this.startProgram('gateway', index, variablesOf('gateway', { ...inputs, port })),
    );
    await this.all([...start('nlp-service', 'agent-coordinator'), ...gateways]);
  }

  /** The simulated agent's addresses are an input of whoever drives agents. @returns its ports; none when it is not wanted */
  private async startSimulatedAgent(): Promise<readonly number[]> {
    if (!wantsSimulatedAgent(this.options)) return [];
    const variables = await simulatedAgentVariables(this.options.env, this.options.variables?.['simulated-agent']);
    await this.startProgram('simulated-agent', 0, variables);
    return this.services.find(({ program }) => program === 'simulated-agent')?.ports ?? [];
  }

  private replicasOf(program: ProgramName, env: Readonly<Record<string, string>>): Promise<void>[] {
    return Array.from({ length: this.countOf(program) }, (_, index) => this.startProgram(program, index, env));
  }

  private countOf(program: ProgramName): number {
    return this.options.replicas?.[program] ?? 1;
  }

  private async startProgram(program: ProgramName, index: number, env: Readonly<Record<string, string>>): Promise<void> {
    const name = index === 0 ? program : `${program}-${String(index + 1)}`;
    const started = await superviseService(
      {
        program,
        name,
        mainFile: this.options.watch === true ? mainFileOf(this.home, program) : await programOf(this.home, program),
        env: { ...visibleTo(program, this.options.env), ...env, ...this.options.variables?.[program] },
        workingDirectory: this.data,
        logFile: join(this.logs, `${name}.log`),
        signal: this.signal,
      },
      this.supervision(),
    );
    this.services.push(started);
    await this.record();
  }

  private supervision(): Supervision {
    return {
      onChange: () => void this.record(),
      untilServersRun: async () => {
        await this.postgres?.supervised?.untilRunning();
        await this.nats?.supervised?.untilRunning();
      },
      serverRestarts: () => (this.postgres?.supervised?.restarts ?? 0) + (this.nats?.supervised?.restarts ?? 0),
      onProgress: (message) => {
        // What ends while everything is being stopped is not started again.
        if (!this.isClosed) this.say(message);
      },
      onGiveUp: (fault) => {
        this.giveUp(fault);
      },
    };
  }

  private giveUp(fault: PlatformFault): void {
    if (this.isClosed) return;
    this.fault = fault;
    this.failed.abort(fault);
    void this.stop();
  }

  private keepWatch(): void {
    this.stopWatchingRoom = watchRoom([this.data, workspacesDirectory(this.options.env, this.data)], (fault) => {
      this.giveUp(fault);
    });
    this.logTimer = setInterval(() => {
      const serverLogs = [join(this.data, 'postgres', 'postgres.log'), join(this.data, 'nats', 'nats-server.log')];
      const logs = [...this.services.map(({ name }) => join(this.logs, `${name}.log`)), ...serverLogs];
      for (const log of logs) void rotateLog(log).catch(() => undefined);
    }, LOG_CHECK_MS);
    if (this.options.watch === true) {
      this.stopWatching = watchCode(this.home, (changed) => {
        this.say(`new code: restarting ${changed.join(', ')}`);
        const affected = this.services.filter(({ program }) => [program, ...servicesOf(program)].some((code) => changed.includes(code)));
        void Promise.allSettled(affected.map((service) => service.restart()));
      });
    }
    this.options.signal?.addEventListener('abort', () => void this.stop(), { once: true });
  }

  /** Waits for all, also when one fails: what is still starting must be known before everything is stopped. */
  private async all(starts: readonly Promise<unknown>[]): Promise<void> {
    for (const start of starts) {
      const watched = start.catch((error: unknown) => {
        this.failed.abort(error);
      });
      this.pending.add(watched);
      void watched.then(() => this.pending.delete(watched));
    }
    await Promise.allSettled(starts);
    await Promise.all(starts);
  }

  stop(): Promise<void> {
    return (this.stopped ??= this.stopAll());
  }

  private async stopAll(): Promise<void> {
    this.isClosed = true;
    this.failed.abort(new Error('the platform stops'));
    this.stopWatching?.();
    clearInterval(this.logTimer);
    this.stopWatchingRoom?.();
    await Promise.all(this.pending);
    const running = (...programs: readonly ProgramName[]) => this.services.filter(({ program }) => programs.includes(program));
    await stopEach(running('gateway'));
    await stopEach(running('nlp-service', 'agent-coordinator'));
    await stopEach(running('state-service', 'engine', 'simulated-agent'));
    await stopEach([this.nats?.supervised, this.postgres?.supervised].filter((server) => server !== undefined));
    await this.stopLeftServers();
    await this.recording;
    await this.releaseLock?.();
    this.settleEnd(this.fault === undefined ? { kind: 'stopped' } : { kind: 'failed', fault: this.fault });
  }

  /** An interrupted start may not have come as far as taking over what an earlier run had left. */
  private async stopLeftServers(): Promise<void> {
    if (this.releaseLock === undefined) return;
    if (this.postgres === undefined) await stopPostgres(join(this.data, 'postgres')).catch(() => undefined);
    if (this.nats === undefined) await stopNats(join(this.data, 'nats')).catch(() => undefined);
  }

  private processes(): readonly PlatformProcess[] {
    const servers = [this.postgres?.supervised, this.nats?.supervised].filter((server) => server !== undefined);
    return [...servers, ...this.services].flatMap(({ name, identity }) => (identity === undefined ? [] : [{ name, ...identity }]));
  }

  /** One writer at a time, always with the newest facts. */
  private record(): Promise<void> {
    const { self } = this;
    if (self === undefined || this.releaseLock === undefined) return Promise.resolve();
    this.recording = this.recording.then(() => {
      const entries = this.processes().map(({ name, pid, startedAt }) => [name, { pid, startedAt }] as const);
      const isServer = (name: string): boolean => name === 'Postgres' || name === 'NATS';
      return writeRecord(this.data, {
        version: 1,
        supervisor: self,
        address: this.address(),
        port: this.port,
        servers: Object.fromEntries(entries.filter(([name]) => isServer(name))),
        services: Object.fromEntries(entries.filter(([name]) => !isServer(name))),
      }).catch((error: unknown) => {
        this.say(`the state file could not be written: ${(error as Error).message}`);
      });
    });
    return this.recording;
  }

  private address(port = this.port): string {
    const host = this.options.env['GATEWAY_HOST'] ?? '127.0.0.1';
    return `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${String(port)}`;
  }

  private describe(apiKey: string, apiKeyFile: string): Platform {
    return {
      address: this.address(),
      addresses: [this.port, ...this.morePorts].map((port) => this.address(port)),
      data: this.data,
      apiKey,
      apiKeyFile,
      logs: this.logs,
      databaseUrl: this.postgres?.url ?? '',
      natsUrl: this.nats?.url ?? '',
      simulatedAgent: wantsSimulatedAgent(this.options),
      interpreter: interpreterOf(this.options.env),
      startedInMs: Math.round(performance.now() - this.began),
      processes: () => this.processes(),
      ended: this.ended,
      stop: () => this.stop(),
    };
  }

  private say(message: string): void {
    this.options.onProgress?.(message);
  }
}

async function stopEach(things: readonly { stop(): Promise<void> }[]): Promise<void> {
  await Promise.allSettled(things.map((thing) => thing.stop()));
}
