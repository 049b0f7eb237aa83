import pg from 'pg';

const ATTEMPTS = `
  select stream, data->>'stepId' as step, (data->>'attempt')::int as attempt,
    min(position) filter (where type = 'StepStarted') as started,
    count(*) filter (where type = 'StepStarted')::int as starts,
    min(position) filter (where type in ('StepSucceeded', 'StepFailed', 'StepCancelled')) as settled,
    count(*) filter (where type in ('StepSucceeded', 'StepFailed', 'StepCancelled'))::int as settlements
  from event
  where type in ('StepStarted', 'StepSucceeded', 'StepFailed', 'StepCancelled')
  group by 1, 2, 3`;

export interface RepeatedAttempt {
  readonly stream: string;
  readonly step: string;
  readonly attempt: number;
  readonly starts: number;
  readonly settlements: number;
}

/** Questions to the log itself, past every service. Survives a restart of Postgres: each question opens what it needs. */
export class LogChecks {
  private readonly pool: pg.Pool;

  constructor(url: string) {
    this.pool = new pg.Pool({ connectionString: url, max: 1, connectionTimeoutMillis: 5_000 });
    this.pool.on('error', () => undefined);
  }

  async head(): Promise<number> {
    const { rows } = await this.pool.query<{ head: number }>('select coalesce(max(position), 0)::float8 as head from event');
    return rows[0]?.head ?? 0;
  }

  /** Attempts that had been started and not been settled when the log ended at that position. */
  async openAttemptsAt(position: number): Promise<number> {
    const text = `select count(*)::int as open from (${ATTEMPTS}) a where started <= $1 and (settled is null or settled > $1)`;
    const { rows } = await this.pool.query<{ open: number }>(text, [position]);
    return rows[0]?.open ?? 0;
  }

  /** Attempts that the log holds more than once: a start or an end that was recorded twice. */
  async repeatedAttempts(): Promise<readonly RepeatedAttempt[]> {
    const text = `select stream, step, attempt, starts, settlements from (${ATTEMPTS}) a where starts > 1 or settlements > 1`;
    return (await this.pool.query<RepeatedAttempt>(text)).rows;
  }

  /** Requested workflows, by the id in their stream. */
  async requestedWorkflows(): Promise<ReadonlySet<string>> {
    const { rows } = await this.pool.query<{ stream: string }>("select stream from event where type = 'WorkflowRequested'");
    return new Set(rows.map(({ stream }) => stream.replace(/^workflow-/, '')));
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}
