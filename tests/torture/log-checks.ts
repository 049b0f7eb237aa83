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

/** What was under way at one position of the log. */
export interface InFlight {
  readonly openAttempts: number;
  readonly cicd: number;
  readonly simple: number;
}

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

  /** Open attempts, and workflows that had been requested and had not ended, when the log ended at that position. */
  async inFlightAt(position: number): Promise<InFlight> {
    const text = `
      select count(*) filter (where profile = 'cicd')::int as cicd, count(*) filter (where profile = 'simple')::int as simple
      from (select stream, min(data->'request'->>'profile') as profile, min(position) filter (where type = 'WorkflowRequested') as requested,
          min(position) filter (where type = 'WorkflowEnded') as ended
        from event where type in ('WorkflowRequested', 'WorkflowEnded') group by 1) w
      where requested <= $1 and (ended is null or ended > $1)`;
    const { rows } = await this.pool.query<Omit<InFlight, 'openAttempts'>>(text, [position]);
    return { cicd: 0, simple: 0, ...rows[0], openAttempts: await this.openAttemptsAt(position) };
  }

  /** Every commit that a step of a workflow reported as its own, in the order of the log. */
  async stepCommits(workflowId: string): Promise<readonly string[]> {
    const text = `select data->'output'->>'commit' as commit from event
      where stream = $1 and type = 'StepSucceeded' and data->'output'->>'branch' is not null order by position`;
    const { rows } = await this.pool.query<{ commit: string }>(text, [`workflow-${workflowId}`]);
    return rows.map(({ commit }) => commit);
  }

  /** Attempts that the log holds more than once: a start or an end that was recorded twice. */
  async repeatedAttempts(): Promise<readonly RepeatedAttempt[]> {
    const text = `select stream, step, attempt, starts, settlements from (${ATTEMPTS}) a where starts > 1 or settlements > 1`;
    return (await this.pool.query<RepeatedAttempt>(text)).rows;
  }

  /** Workflows that a client requested, by the id in their stream; whose the others are is invariant 15. */
  async requestedWorkflows(): Promise<ReadonlySet<string>> {
    const text = "select stream from event where type = 'WorkflowRequested' and data->'request'->'parent' is null";
    const { rows } = await this.pool.query<{ stream: string }>(text);
    return new Set(rows.map(({ stream }) => stream.replace(/^workflow-/, '')));
  }

  /** The server and its version. */
  async database(): Promise<string> {
    const { rows } = await this.pool.query<{ version: string }>("select split_part(current_setting('server_version'), ' ', 1) as version");
    return `Postgres ${rows[0]?.version ?? 'of unknown version'}`;
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}
