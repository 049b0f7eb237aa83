import { DriverProcess } from '../../performance/driver-process.js';
import { Child } from '../child.js';
import type { EngineSetting, RunningEngine } from '../engine.js';
import type { PlatformProcesses, PlatformReady } from '../roles/platform.js';

/** TaskMaster as a user runs it: everything `task-master up` starts, reached by HTTP with an API key. */
export async function startOurs({ cleanup, concurrent }: EngineSetting): Promise<RunningEngine> {
  const platform = await Child.start<PlatformReady>('platform', { concurrent });
  cleanup.add(() => platform.stop());
  const { address, apiKey, databaseUrl } = platform.ready;
  const driver = await DriverProcess.start({ address, apiKey });
  cleanup.add(() => driver.stop());
  return {
    driver,
    databaseUrl,
    roots: async () => {
      const processes = await platform.ask<PlatformProcesses>('processes');
      return new Map([[platform.pid, 'supervisor'], [driver.pid, 'client'], ...processes]);
    },
  };
}
