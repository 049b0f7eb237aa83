-- The quick door into the log: groups that are all as their callers expect them to be. Every stream is at its expected version, every
-- client command is new, every quota has room. Anything else raises TM001 (or a unique violation) and leaves nothing behind; the caller
-- then asks append_batch, which says what was wrong with which group. Half the statements of append_batch, and none that only looks.
-- Callers hand in streams in order, with one group each, and quota keys in order; every statement takes its locks in that order: client
-- commands, streams, quotas, and the advisory lock last, as append_batch does. Rows come as arrays of composites: a function that is
-- given an array per column spends more time on its arguments than on its statements.
create type append_stream as (id text, tenant_id text, category text, expected integer, version integer, hash bytea);
create type append_answer as (id uuid, tenant_id text, stream text, answer json);
create type append_workflow as (
  stream text, tenant_id text, id text, version integer, title text, profile text, state text, status text, phase text, priority text,
  progress double precision, progress_percentage double precision, requested_at timestamptz, queued_at timestamptz, ended_at timestamptz,
  outcome text, reason text, due_at timestamptz
);
create type append_step as (
  stream text, step_id text, tenant_id text, kind text, status text, attempt integer, ready_version integer, holder text, agent_id text,
  lease_ms integer, deadline_at timestamptz, due_at timestamptz
);
-- How many places of a quota are claimed, how many of those past nobody who waits, how many are given back, by how much the number of
-- those who wait changes, and the smallest limit that a claim names.
create type append_quota as (key text, claims integer, direct integer, releases integer, waiting integer, least integer);
create type append_event as (
  stream text, version integer, tenant_id text, type text, schema_version smallint, data json, meta json, occurred_at timestamptz,
  command_id uuid, hash bytea
);

create function append_expected(
  -- Whether whoever relays the log must be woken; a leader that appends knows already.
  p_wake boolean,
  p_answers append_answer[],
  p_created append_stream[],
  p_advanced append_stream[],
  p_requested append_workflow[],
  p_workflows append_workflow[],
  p_steps append_step[],
  p_quotas append_quota[],
  p_events append_event[]
)
returns table (head bigint, recorded_at timestamptz, quotas json)
language plpgsql
volatile
security definer
set search_path = public, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_head bigint;
  v_at timestamptz;
  v_count bigint;
  v_quotas json;
begin
  if cardinality(p_answers) > 0 then
    insert into client_command (id, tenant_id, stream, answer)
    select a.id, a.tenant_id, a.stream, a.answer from unnest(p_answers) a;
  end if;

  if cardinality(p_created) > 0 then
    insert into stream (id, tenant_id, category, version, hash)
    select c.id, c.tenant_id, c.category, c.version, c.hash from unnest(p_created) c;
  end if;
  if cardinality(p_advanced) > 0 then
    update stream s
    set version = a.version, hash = a.hash
    from unnest(p_advanced) a
    where s.id = a.id and s.version = a.expected and s.tenant_id = a.tenant_id;
    get diagnostics v_count = row_count;
    if v_count <> cardinality(p_advanced) then
      raise exception 'a stream is not at its expected version' using errcode = 'TM001';
    end if;
  end if;

  if cardinality(p_requested) > 0 then
    insert into workflow (
      stream, tenant_id, id, version, title, profile, state, status, phase, priority, progress, progress_percentage,
      requested_at, queued_at, ended_at, outcome, reason, due_at)
    select r.stream, r.tenant_id, r.id, r.version, r.title, r.profile, r.state, r.status, r.phase, r.priority, r.progress,
      r.progress_percentage, r.requested_at, r.queued_at, r.ended_at, r.outcome, r.reason, r.due_at
    from unnest(p_requested) r;
  end if;
  if cardinality(p_workflows) > 0 then
    update workflow w
    set version = r.version, state = r.state, status = r.status, phase = r.phase, progress = r.progress,
      progress_percentage = r.progress_percentage, queued_at = r.queued_at, ended_at = r.ended_at, outcome = r.outcome,
      reason = r.reason, due_at = r.due_at
    from unnest(p_workflows) r
    where w.stream = r.stream;
    get diagnostics v_count = row_count;
    if v_count <> cardinality(p_workflows) then
      raise exception 'a workflow has no row' using errcode = 'TM001';
    end if;
  end if;

  if cardinality(p_steps) > 0 then
    insert into step (stream, step_id, tenant_id, kind, status, attempt, ready_version, holder, agent_id, lease_ms, deadline_at, due_at)
    select r.stream, r.step_id, r.tenant_id, r.kind, r.status, r.attempt, r.ready_version, r.holder, r.agent_id, r.lease_ms,
      r.deadline_at, r.due_at
    from unnest(p_steps) r
    on conflict (stream, step_id) do update
    set status = excluded.status, attempt = excluded.attempt, ready_version = excluded.ready_version, holder = excluded.holder,
      agent_id = excluded.agent_id, lease_ms = excluded.lease_ms, deadline_at = excluded.deadline_at, due_at = excluded.due_at;
  end if;

  -- After the rows of the streams, which nobody else can hold: two batches of one tenant meet here, so here they wait the least.
  if cardinality(p_quotas) > 0 then
    with changed as (
      update quota r
      set used = r.used + d.claims - d.releases, waiting = r.waiting + d.waiting
      from unnest(p_quotas) d
      where r.key = d.key
        and (d.claims = 0 or r.used - d.releases + d.claims <= d.least)
        and (d.direct = 0 or r.waiting = 0)
      returning r.key, r.used, r.waiting
    )
    select count(*), json_agg(json_build_object('key', key, 'used', used, 'waiting', waiting)) into v_count, v_quotas from changed;
    if v_count <> cardinality(p_quotas) then
      raise exception 'a quota has no room' using errcode = 'TM001';
    end if;
  end if;

  -- From here to the commit there is no other wait and no round trip to the client.
  perform pg_advisory_xact_lock(7236531, 1);
  update log_head h
  set position = h.position + cardinality(p_events),
    recorded_at = greatest(h.recorded_at, date_trunc('milliseconds', clock_timestamp()))
  where h.k = 1
  returning h.position - cardinality(p_events), h.recorded_at into v_head, v_at;
  insert into event (position, stream, version, tenant_id, type, schema_version, data, meta, occurred_at, recorded_at, command_id, hash)
  select v_head + e.n, e.stream, e.version, e.tenant_id, e.type, e.schema_version, e.data, e.meta, e.occurred_at, v_at, e.command_id,
    e.hash
  from unnest(p_events) with ordinality
    as e (stream, version, tenant_id, type, schema_version, data, meta, occurred_at, command_id, hash, n);
  if p_wake then
    perform pg_notify('tm_log', '');
  end if;

  head := v_head;
  recorded_at := v_at;
  quotas := v_quotas;
  return next;
end
$$;

revoke execute on function append_expected from public;
do $$
begin
  if exists (select 1 from pg_roles where rolname = 'taskmaster_service') then
    grant execute on function append_expected to taskmaster_service;
  end if;
end
$$;

insert into schema_version (version) values (6);
