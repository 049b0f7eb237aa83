import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tailOf } from '@taskmaster/provision';
import { PlatformFault } from './platform-fault.js';
import { indent } from './service-process.js';
import { migrationFileOf, visibleTo } from './services.js';

const MIGRATION_MS_MAX = 300_000;
const OUTPUT_CHARS_MAX = 64 * 1024;

interface Migration {
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly databaseUrl: string;
  readonly signal: AbortSignal;
}

/**
 * Brings the database to the schema of this version, in a process of its own. A state-service without that entry migrates at its start.
 * @throws PlatformFault
 */
export async function migrateDatabase(migration: Migration): Promise<void> {
  const { home, env, databaseUrl, signal } = migration;
  signal.throwIfAborted();
  if (!existsSync(migrationFileOf(home))) return;
  const child = spawn(process.execPath, ['--enable-source-maps', migrationFileOf(home)], {
    cwd: home,
    env: { ...visibleTo('state-service', env), DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    timeout: MIGRATION_MS_MAX,
  });
  // Its transaction rolls back: an interrupted migration has not happened.
  const onAbort = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', onAbort, { once: true });
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
  signal.removeEventListener('abort', onAbort);
  signal.throwIfAborted();
  if (how === 0) return;
  throw new PlatformFault(
    'migration-failed',
    `The database could not be brought to this version (${String(how)}):\n${indent(tailOf(output))}`,
    'if DATABASE_URL or the DB_* variables are set, check that they reach a Postgres 15 or newer whose user may create tables.',
  );
}
