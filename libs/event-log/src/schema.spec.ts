import { describe, expect, it } from '@jest/globals';
import type { MigrationFile } from './migration-files.js';
import { compareSchema, requireCurrent } from './schema.js';

const file = (version: number, checksum = `sum-of-${String(version)}`): MigrationFile => ({
  version,
  file: `${String(version).padStart(6, '0')}_do_it.sql`,
  className: `DoIt${String(version).padStart(13, '0')}`,
  sql: '',
  checksum,
});
const FILES = [file(1), file(2), file(3)];
const recorded = (...versions: readonly number[]) => versions.map((version) => ({ version, checksum: `sum-of-${String(version)}` }));

describe('comparing a database with the migrations', () => {
  it('finds one that has them all current', () => {
    expect(compareSchema(recorded(1, 2, 3), FILES)).toEqual({ kind: 'current' });
  });

  it('finds an empty or older one behind, and names what is to be run', () => {
    expect(compareSchema([], FILES)).toMatchObject({ kind: 'behind', pending: FILES });
    expect(compareSchema(recorded(1), FILES)).toMatchObject({ kind: 'behind', pending: [file(2), file(3)] });
  });

  it('takes a known migration of a time without checksums for what the file says, and has it filled in', () => {
    expect(compareSchema([{ version: 1, checksum: null }, ...recorded(2, 3)], FILES)).toEqual({ kind: 'behind', pending: [] });
  });

  it('names a migration that was edited after it was applied', () => {
    expect(compareSchema(recorded(1, 2, 3), [file(1), file(2, 'edited'), file(3)])).toMatchObject({
      kind: 'differs',
      detail: expect.stringContaining('000002_do_it.sql'),
      remedy: expect.stringContaining('restore the file'),
    });
  });

  it('names a migration of a newer version, also when that has no checksum', () => {
    const found = {
      kind: 'differs',
      detail: expect.stringContaining('has migration 000004'),
      remedy: expect.stringContaining('start that version'),
    };
    expect(compareSchema(recorded(1, 2, 3, 4), FILES)).toMatchObject(found);
    expect(compareSchema([...recorded(1, 2, 3), { version: 4, checksum: null }], FILES)).toMatchObject(found);
  });

  it('names a migration whose file is gone', () => {
    expect(compareSchema(recorded(1, 2, 3), [file(1), file(3)])).toMatchObject({
      kind: 'differs',
      detail: expect.stringContaining('000002, whose file is missing'),
    });
  });

  it('lets a program work only with a current one', () => {
    expect(() => requireCurrent({ kind: 'current' })).not.toThrow();
    expect(() => requireCurrent({ kind: 'behind', pending: [file(3)] })).toThrow('000003_do_it.sql');
    expect(() => requireCurrent(compareSchema(recorded(1, 2, 3, 4), FILES))).toThrow('What to do: start that version');
  });
});
