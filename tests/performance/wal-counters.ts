import type pg from 'pg';

/** What Postgres has written ahead so far. */
export interface WalCounters {
  readonly walBytes: number;
  readonly walFlushes: number;
}

/** Postgres publishes the statistics of a session when that has been idle for a second. */
export const STATISTICS_DELAY_MS = 1_100;

export async function walCounters(database: pg.Pool): Promise<WalCounters> {
  const one = async (text: string): Promise<number> => (await database.query<{ readonly value: number }>(text)).rows[0]?.value ?? 0;
  const version = await one("select current_setting('server_version_num')::float8 as value");
  const flushes =
    version >= 180_000
      ? "select coalesce(sum(fsyncs), 0)::float8 as value from pg_stat_io where object = 'wal'"
      : 'select wal_sync::float8 as value from pg_stat_wal';
  return {
    walBytes: await one("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as value"),
    walFlushes: await one(flushes),
  };
}
