import pg from 'pg';
import { STATISTICS_DELAY_MS, walCounters, type WalCounters } from './wal-counters.js';

/** What the database has done so far. */
export interface DatabaseCounters extends WalCounters {
  /** Every transaction, reading ones included. */
  readonly transactions: number;
  readonly events: number;
  /** Transactions that appended events: each has one recorded_at. */
  readonly appends: number;
}

const RAW_BATCH_EVENTS = 64;
const RAW_WRITERS = 2;
const RAW_TABLE = 'performance_raw_append';

/** Reads what a run cost in Postgres, and what the same Postgres can do with nothing but batched inserts. */
export class DatabaseCosts {
  private readonly pool: pg.Pool;

  constructor(url: string) {
    this.pool = new pg.Pool({ connectionString: url, max: RAW_WRITERS });
    this.pool.on('error', () => undefined);
  }

  /** Postgres publishes its statistics of a session when that has been idle for a second. */
  async counters(): Promise<DatabaseCounters> {
    await new Promise((resolve) => setTimeout(resolve, STATISTICS_DELAY_MS));
    const wal = await walCounters(this.pool);
    const state = await this.one('select (select sum(xact_commit)::float8 from pg_stat_database) as transactions');
    const log = await this.one('select count(*)::float8 as events, count(distinct recorded_at)::float8 as appends from event');
    return {
      ...wal,
      transactions: Number(state['transactions']),
      events: Number(log['events']),
      appends: Number(log['appends']),
    };
  }

  /** Events per second that this Postgres takes as batches of 64 from two writers, through the same driver. */
  async rawAppendPerSecond(ms: number): Promise<number> {
    await this.pool.query(
      `create table if not exists ${RAW_TABLE} (position bigserial primary key, stream text not null, version int not null, type text not null, data text not null,
        recorded_at timestamptz not null default now(), unique (stream, version))`,
    );
    try {
      await this.insertFor(ms / 8);
      return await this.insertFor(ms);
    } finally {
      await this.pool.query(`drop table ${RAW_TABLE}`);
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  private async insertFor(ms: number): Promise<number> {
    const text = `insert into ${RAW_TABLE} (stream, version, type, data) select * from unnest($1::text[], $2::int[], $3::text[], $4::text[])`;
    const data = JSON.stringify({ filler: 'x'.repeat(380) });
    const run = `${String(process.pid)}-${String(performance.now())}`;
    const begin = performance.now();
    let inserted = 0;
    const writer = async (): Promise<void> => {
      while (performance.now() - begin < ms) {
        const batch = Array.from({ length: RAW_BATCH_EVENTS }, (_, index) => `${run}-${String(inserted + index)}`);
        inserted += batch.length;
        await this.pool.query({
          name: 'raw-append',
          text,
          values: [batch, batch.map(() => 1), batch.map(() => 'Probe'), batch.map(() => data)],
        });
      }
    };
    await Promise.all(Array.from({ length: RAW_WRITERS }, writer));
    return (inserted / (performance.now() - begin)) * 1000;
  }

  private async one(text: string, values: readonly unknown[] = []): Promise<Readonly<Record<string, unknown>>> {
    const { rows } = await this.pool.query<Record<string, unknown>>(text, [...values]);
    return rows[0] ?? {};
  }
}
