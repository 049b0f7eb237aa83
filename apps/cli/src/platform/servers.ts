import { join } from 'node:path';
import { BROKER_RIGHTS } from '@taskmaster/contracts';
import { startNats, startPostgres, type NatsUser } from '@taskmaster/provision';
import { refuseUnreachable } from './reachable.js';
import { ServerSupervisor, type SupervisedServer } from './supervised-server.js';
import type { ServiceName } from './services.js';
import type { Supervision } from './supervised-service.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** A server's address, and the server itself when it is ours. */
export interface UsedServer {
  readonly url: string;
  readonly supervised: SupervisedServer | undefined;
}

interface ServerContext {
  readonly data: string;
  readonly env: Environment;
  readonly supervision: Supervision;
  readonly signal: AbortSignal;
}

/** The database that the environment names, else one of our own. */
export async function usePostgres(context: ServerContext): Promise<UsedServer> {
  const given = givenDatabase(context.env);
  if (given !== undefined) {
    if (URL.canParse(given) && new URL(given).hostname !== '') await refuseUnreachable('Postgres', 'DATABASE_URL', [new URL(given)], 5432);
    return { url: given, supervised: undefined };
  }
  const start = (port: number | undefined, signal: AbortSignal) =>
    startPostgres({ directory: join(context.data, 'postgres'), signal, ...(port === undefined ? {} : { port }) });
  const first = await start(undefined, context.signal);
  return supervised(new ServerSupervisor('Postgres', first, start, context.supervision));
}

/** A broker, and the address under which a service uses it: in one of ours each is a user with rights of its own. */
export interface UsedBroker extends UsedServer {
  readonly urlFor: (service: ServiceName) => string;
}

const USERS: readonly NatsUser[] = Object.entries(BROKER_RIGHTS).map(([name, rights]) => ({ name, ...rights }));

/** The broker that the environment names, else one of our own. */
export async function useNats(context: ServerContext): Promise<UsedBroker> {
  const given = context.env['NATS_URL'];
  if (given) {
    const urls = given.split(',').map((part) => (part.includes('://') ? part.trim() : `nats://${part.trim()}`));
    if (urls.every((url) => URL.canParse(url)))
      await refuseUnreachable(
        'NATS',
        'NATS_URL',
        urls.map((url) => new URL(url)),
        4222,
      );
    return { url: given, urlFor: () => given, supervised: undefined };
  }
  const { onProgress } = context.supervision;
  const start = (port: number | undefined, signal: AbortSignal) =>
    startNats({ directory: join(context.data, 'nats'), users: USERS, signal, onProgress, ...(port === undefined ? {} : { port }) });
  const first = await start(undefined, context.signal);
  return { ...supervised(new ServerSupervisor('NATS', first, start, context.supervision)), urlFor: (service) => first.urlOf(service) };
}

const supervised = (server: SupervisedServer): UsedServer => ({ url: server.url, supervised: server });

const SEED_VARIABLES = ['DB_HOST', 'DB_PORT', 'DB_NAME', 'DB_USER', 'DB_PASSWORD'] as const;

/** `DATABASE_URL`, else the seeds' variables when one of them is set, each with its own default. */
export function givenDatabase(env: Environment): string | undefined {
  if (env['DATABASE_URL']) return env['DATABASE_URL'];
  if (!SEED_VARIABLES.some((name) => env[name])) return undefined;
  const url = new URL('postgres://localhost');
  url.hostname = env['DB_HOST'] ?? 'localhost';
  url.port = env['DB_PORT'] ?? '5432';
  url.username = encodeURIComponent(env['DB_USER'] ?? 'software_developer');
  url.password = encodeURIComponent(env['DB_PASSWORD'] ?? 'password');
  url.pathname = `/${encodeURIComponent(env['DB_NAME'] ?? 'codegen_taskmaster_db')}`;
  return url.href;
}
