import pg from 'pg';

const EVENTS_EACH = 16;
const STEPS_EACH = 5;
const CHUNK_STREAMS = 25_000;

/**
 * Brings a log to so many events by writing tables directly, as only the database's owner can: workflows of 16 events with the rows that
 * such workflows leave. Workflows are named in order and commands at random, as real ones are, so indexes look as they would; hashes chain
 * nothing, which no append looks at.
 */
export async function fillLog(url: string, events: number, say: (text: string) => void): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('set synchronous_commit = off');
    const begin = performance.now();
    for (;;) {
      const { rows } = await client.query<{ readonly position: number }>('select position::float8 as position from log_head');
      const position = rows[0]?.position ?? 0;
      const streams = Math.min(CHUNK_STREAMS, Math.floor((events - position) / EVENTS_EACH));
      if (streams <= 0) break;
      await client.query('begin');
      for (const text of FILL) await client.query(text, [position, streams].slice(0, text.includes('$2') ? 2 : 1));
      await client.query('update log_head set position = position + $1, recorded_at = now()', [streams * EVENTS_EACH]);
      await client.query('commit');
      if ((position / EVENTS_EACH) % (10 * CHUNK_STREAMS) === 0)
        say(`${String(position + streams * EVENTS_EACH)} events of ${String(events)}`);
    }
    await client.query('vacuum analyze');
    await client.query('checkpoint');
    say(`a log of ${String(events)} events is there after ${((performance.now() - begin) / 1000).toFixed(0)} s`);
  } finally {
    await client.end();
  }
}

/** One of the streams that start at a position: `$1` is the head before, `$2` how many. */
const NAME = `'workflow-wf_' || lpad(($1::bigint + n)::text, 10, '0') || left(md5(($1::bigint + n)::text), 16)`;

const FILL: readonly string[] = [
  `insert into stream (id, tenant_id, category, version, hash)
   select ${NAME}, 'default', 'workflow', ${String(EVENTS_EACH)}, sha256(n::text::bytea) from generate_series(1, $2::int) as n`,
  `insert into event (position, stream, version, tenant_id, type, schema_version, data, meta, occurred_at, recorded_at, command_id, hash)
   select $1::bigint + (n - 1) * ${String(EVENTS_EACH)} + v, ${NAME}, v, 'default', 'StepSucceeded', 1,
     json_build_object('stepId', 'm' || v, 'attempt', 1, 'by', 'filled', 'output', json_build_object('filler', repeat('x', 160))),
     json_build_object('actor', json_build_object('kind', 'service', 'id', 'filled'), 'correlationId', md5(n::text)),
     now(), now(), md5(n::text || v)::uuid, sha256((n::text || v)::bytea)
   from generate_series(1, $2::int) as n, generate_series(1, ${String(EVENTS_EACH)}) as v`,
  `insert into client_command (id, tenant_id, stream, answer)
   select md5(($1::bigint + n)::text || 'command')::uuid, 'default', ${NAME}, json_build_object('outcome', 'accepted', 'version', 5)
   from generate_series(1, $2::int) as n`,
  `insert into workflow (stream, tenant_id, id, version, title, profile, state, status, phase, priority, progress, progress_percentage,
     requested_at, ended_at, outcome, reason)
   select ${NAME}, 'default', substr(${NAME}, 10), ${String(EVENTS_EACH)}, 'filled', 'simple', 'completed', 'completed', 'finish', 'medium', 100, 100,
     now(), now(), 'completed', 'filled'
   from generate_series(1, $2::int) as n`,
  `insert into step (stream, step_id, tenant_id, kind, status, attempt, ready_version)
   select ${NAME}, 'm' || s, 'default', 'command.run', 'succeeded', 1, 0
   from generate_series(1, $2::int) as n, generate_series(1, ${String(STEPS_EACH)}) as s`,
];
