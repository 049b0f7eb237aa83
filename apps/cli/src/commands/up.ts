import { createClient } from '@taskmaster/client';
import type { Surroundings } from '../config.js';
import { CommandFault, EXIT, type ExitCode } from '../exit.js';
import { Interrupted, listenForInterruption, startPlatform, type Platform } from '../platform/index.js';
import { durationText, painter } from '../terminal.js';

export interface UpOptions {
  readonly data?: string;
  readonly port?: number;
  readonly watch?: boolean;
  readonly simulated?: boolean;
  readonly apart?: boolean;
}

/** Said at once after Ctrl-C, on a line of its own: the terminal has echoed it. */
export const STOPPING = '\nstopping; running work is kept …\n';

/** Starts the platform and stays until Ctrl-C or until it cannot be kept running. */
export async function up(options: UpOptions, around: Surroundings): Promise<ExitCode> {
  const interruption = listenForInterruption(() => {
    around.terminal.talk(STOPPING);
  });
  try {
    const platform = await startPlatform({
      env: around.env,
      data: options.data,
      port: options.port,
      watch: options.watch,
      apart: options.apart,
      signal: interruption.signal,
      simulatedAgent: options.simulated === true ? 'always' : 'auto',
      onProgress: (message) => {
        around.terminal.talk(`${message}\n`);
      },
    });
    around.terminal.talk(`${(await describePlatform(platform, around)).join('\n')}\n`);
    const end = await platform.ended;
    if (end.kind === 'failed') throw end.fault;
    around.terminal.talk('stopped; everything is kept, `task-master up` goes on from here\n');
    return EXIT.ok;
  } catch (error) {
    if (!interruption.signal.aborted || !isInterruption(error, interruption.signal)) throw error;
    around.terminal.talk('stopped before it had started\n');
    return EXIT.interrupted;
  } finally {
    interruption.dispose();
  }
}

export const isInterruption = (error: unknown, signal: AbortSignal): boolean => error instanceof Interrupted || error === signal.reason;

/** Who interprets and who works, with SIMULATED and offline said plainly. */
export async function describePlatform(platform: Platform, { terminal }: Surroundings): Promise<readonly string[]> {
  const paint = painter(terminal.colour);
  const agents = await createClient({ baseUrl: platform.address, apiKey: platform.apiKey }).agents();
  const names = agents.items.map(
    ({ profile, available }) =>
      `${profile.name} (${profile.type}${profile.simulated ? ', SIMULATED' : ''}${available ? '' : ', unavailable'})`,
  );
  const row = (name: string, value: string): string => `  ${name.padEnd(12)} ${value}`;
  return [
    '',
    `${paint('bold', 'TaskMaster runs')} ${paint('dim', `after ${durationText(platform.startedInMs)}`)}`,
    row('address', paint('cyan', platform.address)),
    row('API', `${platform.address}/api/docs`),
    row('data', platform.data),
    row('API key', `in ${platform.apiKeyFile}`),
    row('logs', platform.logs),
    row(
      'interpreter',
      platform.interpreter === 'offline'
        ? paint('yellow', 'offline: rules of language, no model (set ANTHROPIC_API_KEY for one)')
        : platform.interpreter,
    ),
    row(
      'agents',
      names.length === 0
        ? paint('yellow', 'none yet')
        : names.map((name) => (name.includes('SIMULATED') ? paint('yellow', name) : name)).join(', '),
    ),
    ...(platform.simulatedAgent
      ? [
          paint(
            'yellow',
            '  SIMULATED: no real agent is configured; the simulated agent writes marked modules and does not implement requirements.',
          ),
        ]
      : []),
    paint('dim', '  Ctrl-C stops it.'),
    '',
  ];
}

/** @throws CommandFault */
export function portFrom(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new CommandFault(`${text} is not a port.`, EXIT.usage);
  return port;
}
