import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { faultOf, SchemaMismatch } from './faults.js';

const DIRECTORY = fileURLToPath(new URL('../migrations/', import.meta.url));
const FILE_PATTERN = /^(\d{6})_([a-z0-9_]+)\.sql$/;
const MIGRATION_LOCK = 7_236_530;

interface NumberedFile {
  readonly number: number;
  readonly file: string;
  readonly className: string;
}

/** Numbered SQL files beside the package, in order. */
function migrationFiles(): readonly NumberedFile[] {
  return readdirSync(DIRECTORY)
    .sort()
    .flatMap((file) => {
      const match = FILE_PATTERN.exec(file);
      if (match === null) return [];
      const [, digits = '', words = ''] = match;
      const title = words.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
      // TypeORM orders migrations by a 13-digit suffix of their name.
      return [{ number: Number(digits), file, className: `${title.join('')}${digits.padStart(13, '0')}` }];
    });
}

function migrationClass({ file, className }: NumberedFile): new () => MigrationInterface {
  return class implements MigrationInterface {
    readonly name = className;

    async up(runner: QueryRunner): Promise<void> {
      await runner.query(readFileSync(`${DIRECTORY}${file}`, 'utf8'));
    }

    down(): Promise<void> {
      return Promise.reject(new SchemaMismatch('migrations only go forward'));
    }
  };
}

/** The schema version this program was built for: the number of its last migration. */
export const expectedSchemaVersion = (): number => migrationFiles().at(-1)?.number ?? 0;

/**
 * Brings a database to the schema of this program, under one advisory lock, so that replicas may start together.
 * Returns the names of the migrations it ran.
 */
export async function migrate(url: string): Promise<readonly string[]> {
  const guard = new pg.Client({ connectionString: url });
  guard.on('error', () => undefined);
  try {
    await guard.connect();
    await guard.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const source = new DataSource({
      type: 'postgres',
      url,
      migrations: migrationFiles().map(migrationClass),
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
  } catch (error) {
    throw faultOf('migrating the database', error);
  } finally {
    await guard.end().catch(() => undefined);
  }
}

/** @throws SchemaMismatch when the database is older or newer than this program expects */
export async function requireSchema(pool: pg.Pool): Promise<void> {
  const expected = expectedSchemaVersion();
  const found = await schemaVersion(pool);
  if (found === expected) return;
  throw new SchemaMismatch(`the database has schema version ${String(found)}, this program needs ${String(expected)}: run the migrations`);
}

async function schemaVersion(pool: pg.Pool): Promise<number> {
  try {
    const { rows } = await pool.query<{ version: number }>('select coalesce(max(version), 0) as version from schema_version');
    return rows[0]?.version ?? 0;
  } catch (error) {
    // 42P01: there is no such table, so nothing was ever migrated.
    if ((error as { code?: string }).code === '42P01') return 0;
    throw faultOf('reading the schema version', error);
  }
}
