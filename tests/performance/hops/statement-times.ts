import pg from 'pg';

/** What one statement of Postgres took, waiting for locks included and the flush of its commit not; times in milliseconds. */
export interface StatementTime {
  readonly text: string;
  /** Whether a client sent it; otherwise it ran inside a function. */
  readonly top: boolean;
  readonly calls: number;
  readonly ms: number;
  readonly planMs: number;
}

/** What Postgres has to be started with. */
export const STATEMENT_SETTINGS = { shared_preload_libraries: 'pg_stat_statements' } as const;

const TEXT_CHARS_MAX = 100;

/** Times the statements of a Postgres that was started with `STATEMENT_SETTINGS`, by its extension pg_stat_statements. */
export class StatementTimes {
  private constructor(private readonly client: pg.Client) {}

  static async open(url: string): Promise<StatementTimes> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    await client.query('create extension if not exists pg_stat_statements');
    return new StatementTimes(client);
  }

  async start(): Promise<void> {
    await this.track('all');
    await this.client.query('select pg_stat_statements_reset()');
  }

  async stop(): Promise<readonly StatementTime[]> {
    const { rows } = await this.client.query<StatementTime>(
      `select query as text, toplevel as top, calls::float8 as calls, total_exec_time as ms, total_plan_time as "planMs"
       from pg_stat_statements where query not like '%pg_stat_statements%' order by total_exec_time desc`,
    );
    await this.track('none');
    return rows.map((row) => ({ ...row, text: row.text.replace(/\s+/g, ' ').trim().slice(0, TEXT_CHARS_MAX) }));
  }

  close(): Promise<void> {
    return this.client.end();
  }

  private async track(what: 'all' | 'none'): Promise<void> {
    await this.client.query(`alter system set pg_stat_statements.track = '${what}'`);
    await this.client.query("alter system set pg_stat_statements.track_planning = 'on'");
    await this.client.query('select pg_reload_conf()');
  }
}
