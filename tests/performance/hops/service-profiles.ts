import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pollUntil } from '@taskmaster/provision';
import type { CpuProfile } from './profile-groups.js';

const WRITE_MS_MAX = 60_000;

/** What a service needs in its environment so that it can be profiled. */
export const profilingVariables = (directory: string): Readonly<Record<string, string>> => ({
  NODE_OPTIONS: `--import=${new URL('./profile-hook.js', import.meta.url).href}`,
  CPU_PROFILES_DIRECTORY: directory,
});

/** Takes CPU profiles of processes that were started with `profilingVariables`, all over the same time. */
export class ServiceProfiles {
  private taken = 0;

  /** @param services their names by pid */
  constructor(
    private readonly directory: string,
    private readonly services: ReadonlyMap<number, string>,
  ) {}

  async start(): Promise<void> {
    this.taken += 1;
    for (const pid of this.services.keys()) process.kill(pid, 'SIGUSR2');
    await Promise.all([...this.services.keys()].map((pid) => this.written(pid, 'started')));
  }

  /** @returns each service's profile since `start`, by name */
  async stop(): Promise<ReadonlyMap<string, CpuProfile>> {
    for (const pid of this.services.keys()) process.kill(pid, 'SIGUSR2');
    const profiles = [...this.services].map(async ([pid, name]) => {
      const path = await this.written(pid, 'cpuprofile');
      return [name, JSON.parse(await readFile(path, 'utf8')) as CpuProfile] as const;
    });
    return new Map(await Promise.all(profiles));
  }

  private async written(pid: number, what: 'started' | 'cpuprofile'): Promise<string> {
    const path = join(this.directory, `${String(pid)}.${String(this.taken)}.${what}`);
    const inTime = await pollUntil(() => Promise.resolve(existsSync(path)), { deadlineMs: WRITE_MS_MAX });
    if (!inTime) throw new Error(`${this.services.get(pid) ?? ''} wrote no ${what} within ${String(WRITE_MS_MAX)} ms`);
    return path;
  }
}
