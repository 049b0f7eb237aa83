import { freePort } from '@taskmaster/provision';
import { DriverProcess } from '../../performance/driver-process.js';
import { Child } from '../child.js';
import type { EngineSetting, RunningEngine } from '../engine.js';
import { peerPackages } from '../packages.js';
import { DRIVE_DBOS, DRIVE_HTTP } from './programs.js';
import { startPeerPostgres } from './servers.js';

export interface DbosParts {
  readonly postgres: number;
  readonly databaseUrl: string;
  readonly address: string;
  readonly server: () => Child;
  /** Kills the process in which workflows run and starts it again at once. */
  restart(): Promise<void>;
}

/** DBOS behind a plain HTTP server, on a Postgres of its own. */
export async function startDbosParts(setting: EngineSetting): Promise<DbosParts> {
  const home = await peerPackages(setting.say);
  const postgres = await startPeerPostgres(setting);
  const port = await freePort();
  const input = { home, databaseUrl: postgres.url, port };
  let server = await Child.start('dbos-server', input);
  setting.cleanup.add(() => server.stop());
  return {
    postgres: postgres.process.pid,
    databaseUrl: postgres.url,
    address: `http://127.0.0.1:${String(port)}`,
    server: () => server,
    restart: async () => {
      await server.kill();
      server = await Child.start('dbos-server', input);
    },
  };
}

export async function startDbosHttp(setting: EngineSetting): Promise<RunningEngine> {
  const { postgres, databaseUrl, address, server } = await startDbosParts(setting);
  const driver = await DriverProcess.start({ address, path: '/' }, DRIVE_HTTP);
  setting.cleanup.add(() => driver.stop());
  const roots = new Map([
    [postgres, 'Postgres'],
    [server().pid, 'engine'],
    [driver.pid, 'client'],
  ]);
  return { driver, databaseUrl, roots: () => Promise.resolve(roots) };
}

/** Started in the process that runs it: no hop between client and engine. */
export async function startDbosInProcess(setting: EngineSetting): Promise<RunningEngine> {
  const home = await peerPackages(setting.say);
  const postgres = await startPeerPostgres(setting);
  const driver = await DriverProcess.start({ home, databaseUrl: postgres.url }, DRIVE_DBOS);
  setting.cleanup.add(() => driver.stop());
  const roots = new Map([
    [postgres.process.pid, 'Postgres'],
    [driver.pid, 'engine and client'],
  ]);
  return { driver, databaseUrl: postgres.url, roots: () => Promise.resolve(roots) };
}
