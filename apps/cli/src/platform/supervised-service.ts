import { setTimeout as pause } from 'node:timers/promises';
import type { ProcessIdentity } from '@taskmaster/provision';
import { tailOfLog } from './log-file.js';
import { PlatformFault } from './platform-fault.js';
import { indent, launchService, type ServiceLaunch, type ServiceProcess } from './service-process.js';
import type { ProgramName } from './services.js';

export interface SupervisedService {
  readonly program: ProgramName;
  readonly name: string;
  readonly identity: ProcessIdentity | undefined;
  readonly ports: readonly number[];
  readonly restarts: number;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface Supervision {
  /** The process or its absence changed. */
  onChange(): void;
  onProgress(message: string): void;
  /** Settles once the servers run that services need: a death for want of them says nothing about the service. */
  untilServersRun(): Promise<void>;
  /** How often one of those servers was found dead so far. */
  serverRestarts(): number;
  /** The service cannot be kept alive. */
  onGiveUp(fault: PlatformFault): void;
}

/** So many quick deaths in a row, and the service is broken rather than unlucky. */
export const QUICK_DEATHS_MAX = 5;
/** A death sooner than this after becoming ready counts as quick. */
const QUICK_MS = 2_000;
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 5_000;

/** Starts a service and keeps it running until it is stopped. @throws PlatformFault when its first start fails */
export async function superviseService(launch: ServiceLaunch, supervision: Supervision): Promise<SupervisedService> {
  const first = await launchService(launch);
  return new ServiceSupervisor(launch, supervision, first);
}

class ServiceSupervisor implements SupervisedService {
  readonly program: ProgramName;
  readonly name: string;
  readonly ports: readonly number[];
  restarts = 0;
  private current: ServiceProcess | undefined;
  private readyAt = performance.now();
  private quickDeaths = 0;
  private serverRestarts = 0;
  private readonly stopping = new AbortController();
  private readonly watching: Promise<void>;

  constructor(
    private readonly launch: ServiceLaunch,
    private readonly supervision: Supervision,
    first: ServiceProcess,
  ) {
    this.current = first;
    this.ports = first.ports;
    this.program = launch.program;
    this.name = launch.name;
    this.watching = this.watch(first);
  }

  get identity(): ProcessIdentity | undefined {
    return this.current?.identity;
  }

  /** Ends the process in order; supervision starts the next. */
  async restart(): Promise<void> {
    this.quickDeaths = -1;
    await this.current?.stop();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.current?.stop();
    await this.watching;
  }

  private async watch(first: ServiceProcess): Promise<void> {
    let running: ServiceProcess | undefined = first;
    while (running !== undefined) {
      const how = await running.ended;
      this.current = undefined;
      if (this.stopping.signal.aborted) return;
      this.supervision.onChange();
      this.quickDeaths = performance.now() - this.readyAt < QUICK_MS ? this.quickDeaths + 1 : 0;
      running = await this.startAgain(how);
    }
  }

  /** The next process; undefined when we are told to stop or have given up. */
  private async startAgain(how: string): Promise<ServiceProcess | undefined> {
    let reason = how;
    while (this.quickDeaths < QUICK_DEATHS_MAX) {
      this.supervision.onProgress(`${this.name} ended (${reason}); starting it again`);
      const started = await this.tryStart();
      if (this.stopping.signal.aborted) return undefined;
      if (typeof started !== 'string') return started;
      reason = started;
      this.quickDeaths += 1;
    }
    this.supervision.onGiveUp(await this.givingUp(reason));
    return undefined;
  }

  private async tryStart(): Promise<ServiceProcess | string> {
    try {
      // Only who dies again and again is made to wait.
      if (this.quickDeaths > 0) {
        const backoffMs = Math.min(BACKOFF_MS_MIN * 2 ** this.quickDeaths, BACKOFF_MS_MAX);
        await pause(backoffMs, undefined, { signal: this.stopping.signal });
      }
      await this.supervision.untilServersRun();
      this.forgiveWantOfServers();
      this.current = await launchService({ ...this.launch, signal: this.stopping.signal });
      this.readyAt = performance.now();
      this.restarts += 1;
      this.supervision.onChange();
      return this.current;
    } catch (error) {
      return (error as Error).message.split('\n')[0] ?? 'unknown';
    }
  }

  /** What died while a server was gone may have died of that. */
  private forgiveWantOfServers(): void {
    const restarts = this.supervision.serverRestarts();
    if (restarts !== this.serverRestarts) this.quickDeaths = Math.min(this.quickDeaths, 0);
    this.serverRestarts = restarts;
  }

  private async givingUp(reason: string): Promise<PlatformFault> {
    const { logFile } = this.launch;
    return new PlatformFault(
      'service-failed',
      `${this.name} died ${String(QUICK_DEATHS_MAX)} times in a row (last: ${reason}). The end of its log:\n${indent(await tailOfLog(logFile))}`,
      `see ${logFile}; nothing is lost, start again when the cause is gone.`,
    );
  }
}
