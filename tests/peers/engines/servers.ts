import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { removePostgres, startNats, startPostgres, type NatsServer, type PostgresServer } from '@taskmaster/provision';
import type { EngineSetting } from '../engine.js';

/** The Postgres that ours runs on: same program, same settings. */
export async function startPeerPostgres({ cleanup, scratch }: EngineSetting): Promise<PostgresServer> {
  const directory = join(scratch, 'postgres');
  cleanup.add(() => removePostgres(directory));
  return cleanup.during(startPostgres({ directory, signal: cleanup.signal }));
}

/** The NATS that ours runs on. */
export async function startPeerNats({ cleanup, scratch }: EngineSetting): Promise<NatsServer> {
  const directory = join(scratch, 'nats');
  await mkdir(directory, { recursive: true });
  const server = await cleanup.during(startNats({ directory, signal: cleanup.signal }));
  cleanup.add(() => server.stop());
  return server;
}
