import type pg from 'pg';
import { faultOf, SchemaMismatch } from './faults.js';
import type { MigrationFile } from './migration-files.js';

/** A migration that a database says it has. */
export interface RecordedMigration {
  readonly version: number;
  /** Null where it was applied before checksums were kept. */
  readonly checksum: string | null;
}

/** How a database's recorded migrations stand to the files of this program. */
export type SchemaState =
  | { readonly kind: 'current' }
  /** Migrations are to be run, or checksums to be filled in. */
  | { readonly kind: 'behind'; readonly pending: readonly MigrationFile[] }
  /** The database has something that these files do not say. */
  | { readonly kind: 'differs'; readonly detail: string; readonly remedy: string };

const ELSEWHERE = 'or use another database (another data directory: --data DIR)';

/** Compares what a database has with the files. Never guesses: a migration that is unknown or was edited is told by its name. */
export function compareSchema(recorded: readonly RecordedMigration[], files: readonly MigrationFile[]): SchemaState {
  const last = files.at(-1)?.version ?? 0;
  for (const { version, checksum } of recorded) {
    const file = files.find((candidate) => candidate.version === version);
    if (file === undefined) return unknownMigration(version, last);
    if (checksum !== null && checksum !== file.checksum) return otherText(file, checksum);
  }
  const pending = files.filter(({ version }) => !recorded.some((migration) => migration.version === version));
  const isCurrent = pending.length === 0 && recorded.every(({ checksum }) => checksum !== null);
  return isCurrent ? { kind: 'current' } : { kind: 'behind', pending };
}

const unknownMigration = (version: number, last: number): SchemaState =>
  version > last
    ? {
        kind: 'differs',
        detail: `it has migration ${numberText(version)}, and the last that this version knows is ${numberText(last)}: a newer version made it.`,
        remedy: `start that version or a later one, ${ELSEWHERE}.`,
      }
    : {
        kind: 'differs',
        detail: `it has migration ${numberText(version)}, whose file is missing here.`,
        remedy: `restore the file, ${ELSEWHERE}.`,
      };

const otherText = (file: MigrationFile, applied: string): SchemaState => ({
  kind: 'differs',
  detail:
    `its migration ${file.file} had another text when it was applied (SHA-256 ${shortened(applied)}, now ${shortened(file.checksum)}): ` +
    'the file was edited afterwards, or another branch made it.',
  remedy: `restore the file as it was and put the change into a new migration, ${ELSEWHERE}.`,
});

/** The fault of a database that does not fit. */
export const mismatch = ({ detail, remedy }: { readonly detail: string; readonly remedy: string }): SchemaMismatch =>
  new SchemaMismatch(`the database does not fit this version: ${detail} What to do: ${remedy}`);

const numberText = (version: number): string => String(version).padStart(6, '0');
const shortened = (checksum: string): string => checksum.slice(0, 12);

const TABLE_MISSING = '42P01';
const COLUMN_MISSING = '42703';
const stateOf = (error: unknown): unknown => (error as { code?: unknown } | null)?.code;

/** What is recorded; nothing when nothing was ever migrated. @throws DatabaseUnavailable */
export async function readMigrations(client: Pick<pg.Client, 'query'>): Promise<readonly RecordedMigration[]> {
  try {
    return (await client.query<RecordedMigration>('select version, checksum from schema_version order by version')).rows;
  } catch (error) {
    if (stateOf(error) === TABLE_MISSING) return [];
    if (stateOf(error) !== COLUMN_MISSING) throw faultOf('reading the schema version', error);
  }
  const { rows } = await client.query<{ version: number }>('select version from schema_version order by version');
  return rows.map(({ version }) => ({ version, checksum: null }));
}

/** Keeps the checksums of migrations that have none yet: the ones just run, and those of a time before checksums were kept. */
export async function fillChecksums(client: Pick<pg.Client, 'query'>, files: readonly MigrationFile[]): Promise<void> {
  await client.query({
    text: `
      update schema_version as recorded set checksum = known.checksum
      from unnest($1::integer[], $2::text[]) as known (version, checksum)
      where recorded.version = known.version and recorded.checksum is null`,
    values: [files.map(({ version }) => version), files.map(({ checksum }) => checksum)],
  });
}

/** The database's state as a fault, unless this program can work with it. @throws SchemaMismatch */
export function requireCurrent(state: SchemaState): void {
  if (state.kind === 'current') return;
  if (state.kind === 'differs') throw mismatch(state);
  const names = state.pending.map(({ file }) => file).join(', ');
  throw new SchemaMismatch(`the database has not been migrated to this version (${names || 'checksums'} missing): run the migrations`);
}
