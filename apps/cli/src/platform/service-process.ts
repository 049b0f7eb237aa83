import { spawn, type ChildProcess } from 'node:child_process';
import { identify, signalProcess, stopProcess, type ProcessIdentity } from '@taskmaster/provision';
import { openLog, tailOfLog } from './log-file.js';
import { PlatformFault } from './platform-fault.js';
import type { ProgramName } from './services.js';

export interface ServiceLaunch {
  readonly program: ProgramName;
  /** The program's name, with a number when there are several. */
  readonly name: string;
  readonly mainFile: string;
  readonly env: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly logFile: string;
  readonly signal?: AbortSignal | undefined;
}

export interface ServiceProcess {
  readonly identity: ProcessIdentity;
  /** The ports it announced, in its order; empty when it listens on none. */
  readonly ports: readonly number[];
  /** In words how it ended; settles when it does. */
  readonly ended: Promise<string>;
  /** Asks it to drain, and ends it when it does not in time. */
  stop(): Promise<void>;
  kill(): void;
}

const READY_MS_MAX = 60_000;
/** A little more than the limit that the services give themselves. */
const DRAIN_MS_MAX = 16_000;
const KILL_MS_MAX = 5_000;
/**
 * Young generations, in MiB. Who holds what is under way copies all of it at every collection of a small one;
 * the others only pay for a large one with memory.
 */
const YOUNG_MIB: Readonly<Record<ProgramName, number>> = {
  engine: 24,
  gateway: 8,
  'state-service': 24,
  'nlp-service': 4,
  'agent-coordinator': 8,
  'simulated-agent': 4,
};

/** Our heaps are small: threads that help to collect them cost more wake-ups than they save, and growing fourfold first is only memory. */
export const nodeFlagsOf = (program: ProgramName): readonly string[] => [
  `--max-semi-space-size=${String(YOUNG_MIB[program])}`,
  '--single-threaded-gc',
  '--heap-growing-percent=80',
];

/** Starts a service and waits until it says over IPC that it is ready. @throws PlatformFault with the end of its log */
export async function launchService(launch: ServiceLaunch): Promise<ServiceProcess> {
  launch.signal?.throwIfAborted();
  const log = await openLog(launch.logFile);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [...nodeFlagsOf(launch.program), launch.mainFile], {
      cwd: launch.workingDirectory,
      env: launch.env,
      // Detached: Ctrl-C reaches the whole foreground group, and we stop the services in their order.
      detached: true,
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
    });
  } finally {
    await log.close();
  }
  const ended = new Promise<string>((settle) => {
    child.once('error', (error) => {
      settle(error.message);
    });
    child.once('exit', (code, signal) => {
      settle(signal === null ? `exit code ${String(code)}` : `signal ${signal}`);
    });
  });
  const identity = child.pid === undefined ? undefined : await identify(child.pid);
  const outcome = await firstOf(child, ended, launch.signal);
  if (outcome.kind === 'ready' && identity !== undefined) return handleOf(child, identity, outcome.ports, ended);
  if (identity !== undefined) await endProcess(identity);
  launch.signal?.throwIfAborted();
  throw await startFault(launch, outcome.kind === 'ended' ? `ended with ${outcome.how}` : 'did not become ready in time');
}

type StartOutcome =
  | { readonly kind: 'ready'; readonly ports: readonly number[] }
  | { readonly kind: 'ended'; readonly how: string }
  | { readonly kind: 'late' };

function firstOf(child: ChildProcess, ended: Promise<string>, signal: AbortSignal | undefined): Promise<StartOutcome> {
  return new Promise((settle) => {
    const timer = setTimeout(() => {
      finish({ kind: 'late' });
    }, READY_MS_MAX);
    const onMessage = (message: unknown): void => {
      if (isReadyMessage(message)) finish({ kind: 'ready', ports: message.ports ?? (message.port === undefined ? [] : [message.port]) });
    };
    const onAbort = (): void => {
      finish({ kind: 'late' });
    };
    const finish = (outcome: StartOutcome): void => {
      clearTimeout(timer);
      child.off('message', onMessage);
      signal?.removeEventListener('abort', onAbort);
      settle(outcome);
    };
    child.on('message', onMessage);
    signal?.addEventListener('abort', onAbort, { once: true });
    void ended.then((how) => {
      finish({ kind: 'ended', how });
    });
  });
}

const isReadyMessage = (
  message: unknown,
): message is { readonly type: 'ready'; readonly port?: number; readonly ports?: readonly number[] } =>
  typeof message === 'object' && message !== null && (message as { type?: unknown }).type === 'ready';

const handleOf = (child: ChildProcess, identity: ProcessIdentity, ports: readonly number[], ended: Promise<string>): ServiceProcess => ({
  identity,
  ports,
  ended,
  stop: async () => {
    await endProcess(identity);
    if (child.connected) child.disconnect();
  },
  kill: () => {
    signalProcess(identity.pid, 'SIGKILL');
  },
});

/** Drains a process, and ends it by force when it does not in time. */
export async function endProcess(identity: ProcessIdentity): Promise<void> {
  await stopProcess(identity, [
    { signal: 'SIGTERM', waitMs: DRAIN_MS_MAX },
    { signal: 'SIGKILL', waitMs: KILL_MS_MAX },
  ]);
}

async function startFault(launch: ServiceLaunch, what: string): Promise<PlatformFault> {
  return new PlatformFault(
    'service-failed',
    `${launch.name} ${what}. The end of its log:\n${indent(await tailOfLog(launch.logFile))}`,
    `see ${launch.logFile}`,
  );
}

export const indent = (text: string): string => text.replace(/^/gm, '    ');
