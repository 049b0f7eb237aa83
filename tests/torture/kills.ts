import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from '@taskmaster/provision';
import { eventually } from '@taskmaster/testing';
import type { HttpClient } from '../platform/http-client.js';
import type { PlatformUnderTest } from '../platform/platform-under-test.js';

/** One death: whose, by which signal, and whether its disk goes with it. */
export interface Kill {
  readonly name: string;
  readonly process: string;
  readonly signal: NodeJS.Signals;
  readonly wipe?: (data: string) => string;
}

const APART: readonly Kill[] = [
  { name: 'state-service', process: 'state-service', signal: 'SIGKILL' },
  { name: 'second state-service', process: 'state-service-2', signal: 'SIGKILL' },
  { name: 'agent-coordinator', process: 'agent-coordinator', signal: 'SIGKILL' },
];
const TOGETHER: readonly Kill[] = [
  { name: 'engine', process: 'engine', signal: 'SIGKILL' },
  { name: 'second engine', process: 'engine-2', signal: 'SIGKILL' },
];
const ALWAYS: readonly Kill[] = [
  { name: 'gateway', process: 'gateway', signal: 'SIGKILL' },
  { name: 'nlp-service', process: 'nlp-service', signal: 'SIGKILL' },
  { name: 'simulated agent', process: 'simulated-agent', signal: 'SIGKILL' },
  { name: 'NATS', process: 'NATS', signal: 'SIGKILL' },
  { name: 'NATS and its disk', process: 'NATS', signal: 'SIGKILL', wipe: (data) => join(data, 'nats', 'jetstream') },
  // To the postmaster this is "immediate": it ends without a checkpoint, and recovers when it starts.
  { name: 'Postgres', process: 'Postgres', signal: 'SIGQUIT' },
];

/** Every death that the platform has to survive (docs/architecture.md, "What happens when something dies"). */
export const killsOf = (together: boolean): readonly Kill[] => [...(together ? TOGETHER : APART), ...ALWAYS];

const GONE_MS_MAX = 10_000;
const BACK_MS_MAX = 60_000;

const pidOf = (platform: PlatformUnderTest, name: string): number | undefined =>
  platform.processes().find((process) => process.name === name)?.pid;

/** Kills, and waits until the supervisor has started it again and the platform is whole. */
export async function killAndWait(platform: PlatformUnderTest, client: HttpClient, kill: Kill): Promise<void> {
  const pid = pidOf(platform, kill.process);
  if (pid === undefined) throw new Error(`${kill.process} does not run, so it cannot be killed`);
  const wiped = kill.wipe?.(platform.data);
  if (wiped !== undefined) {
    if (!existsSync(wiped)) throw new Error(`there is nothing to wipe at ${wiped}`);
    // It is started again at once, so its disk has to go while it holds still.
    process.kill(pid, 'SIGSTOP');
    rmSync(wiped, { recursive: true, force: true });
  }
  process.kill(pid, kill.signal);
  await eventually(async () => !(await isAlive(pid)), { deadlineMs: GONE_MS_MAX, what: `the end of ${kill.process}` });
  const isBack = async (): Promise<boolean> => {
    const now = pidOf(platform, kill.process);
    if (now === undefined || now === pid) return false;
    const { body } = await client.call('GET', '/api/health');
    return (body as { readonly status?: string }).status === 'up';
  };
  await eventually(isBack, { deadlineMs: BACK_MS_MAX, what: `the return of ${kill.process}` });
}
