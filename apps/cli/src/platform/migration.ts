import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { addressOfPostgres, ensureSecret, tailOf } from '@taskmaster/provision';
import { checkout } from './options.js';
import { PlatformFault } from './platform-fault.js';
import { indent } from './service-process.js';
import { givenDatabase } from './servers.js';
import { migrationFileOf, visibleTo } from './services.js';

const MIGRATION_MS_MAX = 300_000;
const OUTPUT_CHARS_MAX = 64 * 1024;
const EXIT_DIFFERS = 4;

interface MigrationRun {
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly databaseUrl: string;
  readonly signal?: AbortSignal;
}

export interface Migration extends MigrationRun {
  /** Where the services' own password is kept; undefined for a database of somebody else, whose user serves for everything. */
  readonly directory: string | undefined;
}

const SERVICE_DATABASE_USER = 'taskmaster_state';

/**
 * Brings the database to the schema of this version, in a process of its own, and answers the address under which the services are to use
 * it: in a database of ours that of a user who may do nothing but append and read.
 * @throws PlatformFault
 */
export async function migrateDatabase(migration: Migration): Promise<string> {
  const { databaseUrl, directory } = migration;
  const password = directory === undefined ? undefined : await ensureSecret(join(directory, 'service-password'));
  const { how, output } = await runMigrations(
    migration,
    [],
    password === undefined ? {} : { SERVICE_DATABASE_USER, SERVICE_DATABASE_PASSWORD: password },
  );
  if (how === 0) return password === undefined ? databaseUrl : asUser(databaseUrl, SERVICE_DATABASE_USER, password);
  if (how === EXIT_DIFFERS) throw misfit(output);
  throw new PlatformFault(
    'migration-failed',
    `The database could not be brought to this version (${String(how)}):\n${indent(tailOf(output))}`,
    'if DATABASE_URL or the DB_* variables are set, check that they reach a Postgres 15 or newer whose user may create tables.',
  );
}

/** How the database stands to the migrations of this version. */
export type SchemaFinding =
  | { readonly kind: 'current' }
  | { readonly kind: 'behind'; readonly pending: readonly string[] }
  | { readonly kind: 'differs'; readonly detail: string; readonly remedy: string }
  | { readonly kind: 'unknown'; readonly detail: string };

/** Looks at the database that `up` would use, if it runs; starts and changes nothing. */
export async function checkSchema(data: string, env: MigrationRun['env'], home = checkout()): Promise<SchemaFinding> {
  const databaseUrl = givenDatabase(env) ?? (await addressOfPostgres(join(data, 'postgres')));
  if (databaseUrl === undefined) return { kind: 'unknown', detail: 'looked at when the platform runs, and at every start' };
  if (!existsSync(migrationFileOf(home))) return { kind: 'unknown', detail: 'not built' };
  const { how, output } = await runMigrations({ home, env, databaseUrl }, ['--check'], {});
  if (how === 0 || how === EXIT_DIFFERS) return JSON.parse(output) as SchemaFinding;
  return { kind: 'unknown', detail: tailOf(output) };
}

function misfit(output: string): PlatformFault {
  const { detail, remedy } = JSON.parse(output) as { readonly detail: string; readonly remedy: string };
  return new PlatformFault('schema-differs', `The database does not fit this version of TaskMaster: ${detail}`, remedy);
}

function asUser(databaseUrl: string, user: string, password: string): string {
  const url = new URL(databaseUrl);
  url.username = user;
  url.password = password;
  return url.href;
}

interface Ending {
  readonly how: number | string;
  readonly output: string;
}

async function runMigrations(run: MigrationRun, args: readonly string[], more: Readonly<Record<string, string>>): Promise<Ending> {
  const { home, env, databaseUrl, signal } = run;
  signal?.throwIfAborted();
  const child = spawn(process.execPath, [migrationFileOf(home), ...args], {
    cwd: home,
    env: { ...visibleTo('state-service', env), ...more, DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    timeout: MIGRATION_MS_MAX,
  });
  // Its transaction rolls back: an interrupted migration has not happened.
  const onAbort = (): void => void child.kill('SIGTERM');
  signal?.addEventListener('abort', onAbort, { once: true });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-OUTPUT_CHARS_MAX);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const how = await new Promise<number | string>((settle) => {
    child.once('error', (error) => {
      settle(error.message);
    });
    child.once('close', (code, name) => {
      settle(code ?? name ?? 'unknown');
    });
  });
  signal?.removeEventListener('abort', onAbort);
  signal?.throwIfAborted();
  return { how, output };
}
