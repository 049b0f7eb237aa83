import pg from 'pg';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { faultOf, SchemaMismatch } from './faults.js';
import { migrationFiles, type MigrationFile } from './migration-files.js';
import { compareSchema, fillChecksums, mismatch, readMigrations, requireCurrent, type SchemaState } from './schema.js';

const MIGRATION_LOCK = 7_236_530;

function migrationClass({ className, sql }: MigrationFile): new () => MigrationInterface {
  return class implements MigrationInterface {
    readonly name = className;

    async up(runner: QueryRunner): Promise<void> {
      await runner.query(sql);
    }

    down(): Promise<void> {
      return Promise.reject(new SchemaMismatch('migrations only go forward'));
    }
  };
}

/**
 * Brings a database to the schema of this program, under one advisory lock, so that replicas may start together. A database that is
 * there already is only read. Returns the names of the migrations it ran.
 * @throws SchemaMismatch when the database has migrations that differ from the files, with what to do
 */
export async function migrate(url: string, files = migrationFiles()): Promise<readonly string[]> {
  return withClient('migrating the database', url, async (client) => {
    if (compareSchema(await readMigrations(client), files).kind === 'current') return [];
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const state = compareSchema(await readMigrations(client), files);
    if (state.kind === 'differs') throw mismatch(state);
    if (state.kind === 'current') return [];
    const ran = await runMigrations(url, files);
    await fillChecksums(client, files);
    return ran;
  });
}

async function runMigrations(url: string, files: readonly MigrationFile[]): Promise<readonly string[]> {
  // Only a database that is behind needs it, and it takes longer to load than everything else here takes to run.
  const { DataSource } = await import('typeorm');
  const source = new DataSource({
    type: 'postgres',
    url,
    migrations: files.map(migrationClass),
    migrationsTableName: 'migration',
    logging: false,
  });
  await source.initialize();
  try {
    const ran = await source.runMigrations({ transaction: 'each' });
    return ran.map(({ name }) => name);
  } finally {
    await source.destroy();
  }
}

/** How a database stands to the files of this program; changes nothing. @throws DatabaseUnavailable */
export const inspectSchema = (url: string, files = migrationFiles()): Promise<SchemaState> =>
  withClient('looking at the schema', url, async (client) => compareSchema(await readMigrations(client), files));

/** @throws SchemaMismatch when the database is not the one this program expects, with what to do */
export async function requireSchema(pool: pg.Pool, files = migrationFiles()): Promise<void> {
  requireCurrent(compareSchema(await readMigrations(pool), files));
}

async function withClient<T>(doing: string, url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } catch (error) {
    throw faultOf(doing, error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
