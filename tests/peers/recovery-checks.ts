import type pg from 'pg';

/** What the log says after a kill. */
export interface LogVerdict {
  /** Workflows that somebody handed in and that did not complete. */
  readonly lost: number;
  /** Workflows that nobody handed in, and steps and workflows that were settled more than once. */
  readonly doubled: number;
  /** When the last workflow ended, as a time of `Date.now()`. */
  readonly endedAt: number;
}

/** Looks at what was appended: the positions above `after` belong to `handedIn` workflows of `steps` steps. */
export async function judgeLog(
  database: pg.Pool,
  { after, handedIn, steps }: { readonly after: number; readonly handedIn: number; readonly steps: number },
): Promise<LogVerdict> {
  const { rows } = await database.query<Record<'workflows' | 'completed' | 'ends' | 'steps' | 'settled' | 'last', number>>(
    `select
       count(*) filter (where type = 'WorkflowRequested')::float8 as workflows,
       count(distinct stream) filter (where type = 'WorkflowEnded' and data ->> 'outcome' = 'completed')::float8 as completed,
       count(*) filter (where type = 'WorkflowEnded')::float8 as ends,
       count(distinct (stream, data ->> 'stepId')) filter (where type = 'StepSucceeded')::float8 as steps,
       count(*) filter (where type = 'StepSucceeded')::float8 as settled,
       coalesce(extract(epoch from max(recorded_at) filter (where type = 'WorkflowEnded')) * 1000, 0)::float8 as last
     from event where position > $1`,
    [after],
  );
  const [found] = rows;
  if (found === undefined) throw new Error('an aggregate answers one row');
  const missing = Math.max(0, handedIn - found.completed) + Math.max(0, Math.ceil((handedIn * steps - found.steps) / steps));
  const extra = Math.max(0, found.workflows - handedIn) + (found.ends - found.completed) + (found.settled - found.steps);
  return { lost: missing, doubled: extra, endedAt: found.last };
}

export async function headOf(database: pg.Pool): Promise<number> {
  const { rows } = await database.query<{ readonly position: number }>('select position::float8 as position from log_head where k = 1');
  return rows[0]?.position ?? 0;
}

/** How many workflows of DBOS have not ended. */
export async function pendingOfDbos(database: pg.Pool): Promise<number> {
  const { rows } = await database.query<{ readonly n: number }>(
    "select count(*)::int as n from dbos.workflow_status where status in ('PENDING', 'ENQUEUED')",
  );
  return rows[0]?.n ?? 0;
}
