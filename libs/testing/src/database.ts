import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { migrate } from '@taskmaster/event-log';
import { startPostgres } from '@taskmaster/provision';
import pg from 'pg';
import { alone, runDirectory } from './run.js';

export interface FreshDatabase {
  /** Connects as the superuser of the test cluster. */
  readonly url: string;
  /** A copy of it, as a restored backup is one. Nobody may be connected to it meanwhile. */
  copy(): Promise<FreshDatabase>;
  /** Ends its connections and removes it; without it the database goes with the run. */
  drop(): Promise<void>;
}

const TEMPLATE = 'taskmaster_template';

/** Nothing here survives the run, so the cluster may lose a power cut; a killed process still loses nothing. */
const SETTINGS = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', max_connections: '300', autovacuum: 'off' } as const;

let prepared: Promise<string> | undefined;

/** A migrated, empty database of its own, in milliseconds: a copy of a template that the first caller of the run makes. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const admin = await (prepared ??= alone('postgres', prepare));
  // Copying needs a template without sessions; two workers at once are no session of it.
  return databaseFrom(admin, TEMPLATE);
}

/** An empty database without any of our tables, to test migrations on. */
export async function emptyDatabase(): Promise<FreshDatabase> {
  const admin = await (prepared ??= alone('postgres', prepare));
  return databaseFrom(admin, 'template0');
}

async function databaseFrom(admin: string, template: string): Promise<FreshDatabase> {
  const name = `t_${randomBytes(8).toString('hex')}`;
  await statement(admin, `create database ${name} template ${template}`);
  return {
    url: withDatabase(admin, name),
    copy: () => databaseFrom(admin, name),
    drop: () => statement(admin, `drop database if exists ${name} with (force)`),
  };
}

async function prepare(): Promise<string> {
  const server = await startPostgres({ directory: join(runDirectory(), 'postgres'), settings: SETTINGS });
  if (!(await exists(server.url))) {
    const draft = `${TEMPLATE}_draft`;
    await statement(server.url, `drop database if exists ${draft} with (force)`);
    await statement(server.url, `create database ${draft} template template0`);
    await migrate(withDatabase(server.url, draft));
    await statement(server.url, `alter database ${draft} rename to ${TEMPLATE}`);
  }
  return server.url;
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

/** Does the work with a connection of its own. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const statement = (url: string, sql: string): Promise<void> =>
  withClient(url, async (client) => {
    await client.query(sql);
  });

const exists = (url: string): Promise<boolean> =>
  withClient(url, async (client) => {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [TEMPLATE]);
    return rowCount === 1;
  });
