import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The migrations of this program. */
export const MIGRATIONS_DIRECTORY = fileURLToPath(new URL('../migrations/', import.meta.url));
const FILE_PATTERN = /^(\d{6})_([a-z0-9_]+)\.sql$/;

/** A numbered SQL file beside the package. */
export interface MigrationFile {
  readonly version: number;
  readonly file: string;
  /** What TypeORM calls it: it orders migrations by a 13-digit suffix of their name. */
  readonly className: string;
  readonly sql: string;
  /** SHA-256 of its text, in hex. A checkout with other line ends is the same text. */
  readonly checksum: string;
}

/** The numbered SQL files of a directory, in order. */
export function migrationFiles(directory = MIGRATIONS_DIRECTORY): readonly MigrationFile[] {
  return readdirSync(directory)
    .sort()
    .flatMap((file) => {
      const match = FILE_PATTERN.exec(file);
      if (match === null) return [];
      const [, digits = '', words = ''] = match;
      const title = words.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
      const sql = readFileSync(join(directory, file), 'utf8').replaceAll('\r\n', '\n');
      const checksum = createHash('sha256').update(sql).digest('hex');
      return [{ version: Number(digits), file, className: `${title.join('')}${digits.padStart(13, '0')}`, sql, checksum }];
    });
}
