import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { emptyDatabase, type FreshDatabase } from '@taskmaster/testing';
import pg from 'pg';
import { SchemaMismatch, StatementRefused } from './faults.js';
import { migrate, requireSchema } from './migrate.js';
import { migrationFiles } from './migration-files.js';
import { openPools } from './pools.js';
import { ensureServiceLogin } from './service-login.js';

let database: FreshDatabase;
let owner: pg.Pool;
beforeEach(async () => {
  database = await emptyDatabase();
  owner = new pg.Pool({ connectionString: database.url, max: 2 });
});
afterEach(async () => {
  await owner.end();
  await database.drop();
});

const EDITED = migrationFiles().map((file) => (file.version === 2 ? { ...file, checksum: 'f'.repeat(64) } : file));
const recorded = async () =>
  (await owner.query<{ version: number; checksum: string | null }>('select version, checksum from schema_version order by version')).rows;

describe('migrating a database', () => {
  it('records the text of every migration, and does nothing the next time', async () => {
    expect(await migrate(database.url)).toHaveLength(migrationFiles().length);
    expect(await recorded()).toEqual(migrationFiles().map(({ version, checksum }) => ({ version, checksum })));
    expect(await migrate(database.url)).toEqual([]);
    await requireSchema(owner);
  });

  it('goes on from a time before checksums were kept, and fills them in', async () => {
    const before = migrationFiles().filter(({ version }) => version <= 4);
    for (const { sql } of before) await owner.query(sql);
    await owner.query('create table migration (id serial primary key, "timestamp" bigint not null, name text not null)');
    for (const { className } of before)
      await owner.query('insert into migration ("timestamp", name) values ($1, $2)', [Number(className.slice(-13)), className]);
    expect(await migrate(database.url)).toHaveLength(migrationFiles().length - 4);
    expect(await recorded()).toEqual(migrationFiles().map(({ version, checksum }) => ({ version, checksum })));
  });

  it('refuses a database whose migration was edited since, and changes nothing', async () => {
    await migrate(database.url);
    await expect(migrate(database.url, EDITED)).rejects.toThrow(SchemaMismatch);
    await expect(requireSchema(owner, EDITED)).rejects.toThrow('its migration 000002_append_batch.sql had another text');
    expect(await recorded()).toEqual(migrationFiles().map(({ version, checksum }) => ({ version, checksum })));
  });

  it('refuses a database that a newer version made', async () => {
    await migrate(database.url);
    await owner.query("insert into schema_version (version, checksum) values (900, 'x')");
    await expect(migrate(database.url)).rejects.toThrow('it has migration 000900');
    await expect(requireSchema(owner)).rejects.toThrow('a newer version made it');
  });
});

describe('the database user of the services', () => {
  it('appends and reads through its role, and may neither change the log nor the schema', async () => {
    await migrate(database.url);
    const login = { user: `svc_${String(process.pid)}`, password: "it's" };
    await ensureServiceLogin(database.url, login);
    await ensureServiceLogin(database.url, login);
    const url = new URL(database.url);
    url.username = login.user;
    url.password = login.password;
    const pools = await openPools({ url: url.href, size: 4, onError: () => undefined });
    const session = new pg.Client({ connectionString: url.href });
    await session.connect();
    try {
      expect(pools.restricted).toBe(true);
      await requireSchema(pools.write);
      expect(await migrate(url.href)).toEqual([]);
      for (const statement of [
        'insert into event (position) values (1)',
        'delete from stream',
        'truncate event',
        'drop table event',
        'alter table event disable trigger all',
        'create table mine (x int)',
        'create role another',
        'alter role current_user superuser',
        "update schema_version set checksum = 'mine'",
        'create extension if not exists file_fdw',
        "copy log_head to program 'cat'",
      ]) {
        await expect(session.query(statement)).rejects.toMatchObject({ code: '42501' });
      }
    } finally {
      await session.end();
      await pools.close();
      await owner.query(`drop owned by "${login.user}"`);
      await owner.query(`drop role "${login.user}"`);
    }
  });

  it('is not made by a user who may not', async () => {
    await migrate(database.url);
    const login = { user: `svc2_${String(process.pid)}`, password: 'x' };
    await ensureServiceLogin(database.url, login);
    const url = new URL(database.url);
    url.username = login.user;
    url.password = login.password;
    await expect(ensureServiceLogin(url.href, { user: 'another', password: 'x' })).rejects.toThrow(StatementRefused);
    await owner.query(`drop role "${login.user}"`);
  });
});
