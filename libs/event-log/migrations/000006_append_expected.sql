-- The quick door into the log: groups that are all as their callers expect them to be. Every stream is at its expected version, every
-- client command is new, every quota has room. Anything else raises TM001 (or a unique violation) and leaves nothing behind; the caller
-- then asks append_batch, which says what was wrong with which group. Half the statements of append_batch, and none that only looks.
-- Callers hand in client commands, streams and quota keys in one order, and each statement takes its locks in that order: client
-- commands, streams, quotas, and the advisory lock last, as append_batch does.
create function append_expected(
  p_wake boolean,
  g_stream text[], g_category text[], g_tenant text[], g_expected integer[], g_version integer[], g_hash text[],
  e_group integer[], e_version integer[], e_type text[], e_schema smallint[], e_data json[], e_meta json[],
  e_occurred timestamptz[], e_command uuid[], e_hash text[],
  c_group integer[], c_id uuid[], c_answer json[],
  w_group integer[], w_id text[], w_version integer[], w_title text[], w_profile text[], w_state text[], w_status text[], w_phase text[],
  w_priority text[], w_progress double precision[], w_percentage double precision[], w_requested timestamptz[], w_queued timestamptz[],
  w_ended timestamptz[], w_outcome text[], w_reason text[], w_due timestamptz[],
  s_group integer[], s_id text[], s_kind text[], s_status text[], s_attempt integer[], s_ready integer[], s_holder text[], s_agent text[],
  s_lease integer[], s_deadline timestamptz[], s_due timestamptz[],
  -- One row per quota key: how many places are claimed, how many of those past nobody who waits, how many are given back, by how much
  -- the number of those who wait changes, and the smallest limit that a claim names.
  q_key text[], q_claims integer[], q_direct integer[], q_releases integer[], q_waiting integer[], q_limit integer[],
  p_new integer
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
  if cardinality(c_id) > 0 then
    insert into client_command (id, tenant_id, stream, answer)
    select c.id, g_tenant[c.grp], g_stream[c.grp], c.answer
    from unnest(c_id, c_group, c_answer) as c (id, grp, answer);
  end if;

  if p_new > 0 then
    insert into stream (id, tenant_id, category, version, hash)
    select g.id, g.tenant, g.category, g.version, decode(g.hash, 'hex')
    from unnest(g_stream, g_tenant, g_category, g_expected, g_version, g_hash) as g (id, tenant, category, expected, version, hash)
    where g.expected = 0;
  end if;
  if p_new < cardinality(g_stream) then
    update stream s
    set version = g.version, hash = decode(g.hash, 'hex')
    from unnest(g_stream, g_tenant, g_expected, g_version, g_hash) as g (id, tenant, expected, version, hash)
    where g.expected > 0 and s.id = g.id and s.version = g.expected and s.tenant_id = g.tenant;
    get diagnostics v_count = row_count;
    if v_count <> cardinality(g_stream) - p_new then
      raise exception 'a stream is not at its expected version' using errcode = 'TM001';
    end if;
  end if;

  if cardinality(q_key) > 0 then
    with changed as (
      update quota r
      set used = r.used + d.claims - d.releases, waiting = r.waiting + d.waiting
      from unnest(q_key, q_claims, q_direct, q_releases, q_waiting, q_limit) as d (key, claims, direct, releases, waiting, least)
      where r.key = d.key
        and (d.claims = 0 or r.used - d.releases + d.claims <= d.least)
        and (d.direct = 0 or r.waiting = 0)
      returning r.key, r.used, r.waiting
    )
    select count(*), json_agg(json_build_object('key', key, 'used', used, 'waiting', waiting)) into v_count, v_quotas from changed;
    if v_count <> cardinality(q_key) then
      raise exception 'a quota has no room' using errcode = 'TM001';
    end if;
  end if;

  insert into workflow as w (
    stream, tenant_id, id, version, title, profile, state, status, phase, priority, progress, progress_percentage,
    requested_at, queued_at, ended_at, outcome, reason, due_at)
  select g_stream[r.grp], g_tenant[r.grp], r.id, r.version, r.title, r.profile, r.state, r.status, r.phase, r.priority, r.progress,
    r.percentage, r.requested, r.queued, r.ended, r.outcome, r.reason, r.due
  from unnest(w_group, w_id, w_version, w_title, w_profile, w_state, w_status, w_phase, w_priority, w_progress, w_percentage,
    w_requested, w_queued, w_ended, w_outcome, w_reason, w_due)
    as r (grp, id, version, title, profile, state, status, phase, priority, progress, percentage, requested, queued, ended, outcome, reason, due)
  on conflict (stream) do update
  set version = excluded.version, state = excluded.state, status = excluded.status, phase = excluded.phase, progress = excluded.progress,
    progress_percentage = excluded.progress_percentage, queued_at = excluded.queued_at, ended_at = excluded.ended_at,
    outcome = excluded.outcome, reason = excluded.reason, due_at = excluded.due_at;

  if cardinality(s_id) > 0 then
    insert into step (stream, step_id, tenant_id, kind, status, attempt, ready_version, holder, agent_id, lease_ms, deadline_at, due_at)
    select g_stream[r.grp], r.id, g_tenant[r.grp], r.kind, r.status, r.attempt, r.ready, r.holder, r.agent, r.lease, r.deadline, r.due
    from unnest(s_group, s_id, s_kind, s_status, s_attempt, s_ready, s_holder, s_agent, s_lease, s_deadline, s_due)
      as r (grp, id, kind, status, attempt, ready, holder, agent, lease, deadline, due)
    on conflict (stream, step_id) do update
    set status = excluded.status, attempt = excluded.attempt, ready_version = excluded.ready_version, holder = excluded.holder,
      agent_id = excluded.agent_id, lease_ms = excluded.lease_ms, deadline_at = excluded.deadline_at, due_at = excluded.due_at;
  end if;

  -- From here to the commit there is no other wait and no round trip to the client.
  perform pg_advisory_xact_lock(7236531, 1);
  update log_head h
  set position = h.position + cardinality(e_version),
    recorded_at = greatest(h.recorded_at, date_trunc('milliseconds', clock_timestamp()))
  where h.k = 1
  returning h.position - cardinality(e_version), h.recorded_at into v_head, v_at;
  insert into event (position, stream, version, tenant_id, type, schema_version, data, meta, occurred_at, recorded_at, command_id, hash)
  select v_head + e.n, g_stream[e.grp], e.version, g_tenant[e.grp], e.type, e.schema, e.data, e.meta, e.occurred, v_at, e.command,
    decode(e.hash, 'hex')
  from unnest(e_group, e_version, e_type, e_schema, e_data, e_meta, e_occurred, e_command, e_hash) with ordinality
    as e (grp, version, type, schema, data, meta, occurred, command, hash, n);
  if p_wake then
    perform pg_notify('tm_log', '');
  end if;

  return query select v_head, v_at, v_quotas;
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
