-- The one door into the log: many groups of one stream each, decided in the caller, appended in one statement.
-- Locks in this order: client commands, streams, quotas, and the advisory lock last, so replicas cannot deadlock.
-- Codes per group: 0 appended, 1 conflict, 2 duplicate, 3 full, 4 tenant mismatch. A group that fails leaves nothing behind.
create function append_batch(
  -- Whether whoever relays the log must be woken; a leader that appends knows already.
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
  a_group integer[], a_row json[],
  k_group integer[], k_row json[],
  q_group integer[], q_key text[], q_kind text[], q_limit integer[]
)
returns table (codes smallint[], head bigint, recorded_at timestamptz, quotas json, duplicates json, full_keys json)
language plpgsql
volatile
security definer
set search_path = public, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
  v_code smallint[] := array_fill(0::smallint, array[cardinality(g_stream)]);
  v_claimed uuid[] := '{}';
  v_created text[] := '{}';
  v_full jsonb := '{}';
  v_keys text[];
  v_used integer[];
  v_waiting integer[];
  v_used_then integer[];
  v_waiting_then integer[];
  v_head bigint;
  v_at timestamptz;
  v_count integer;
  v_quotas json;
  v_duplicates json;
  v_fits boolean;
  v_group integer;
  v_index integer;
  v_change record;
begin
  if cardinality(c_id) > 0 then
    with claimed as (
      insert into client_command (id, tenant_id, stream, answer)
      select c.id, g_tenant[c.grp], g_stream[c.grp], c.answer
      from unnest(c_id, c_group, c_answer) as c (id, grp, answer)
      order by c.id
      on conflict (id) do nothing
      returning id
    )
    select coalesce(array_agg(id), '{}') into v_claimed from claimed;
    if cardinality(v_claimed) < cardinality(c_id) then
      for v_group in select distinct c.grp from unnest(c_id, c_group) as c (id, grp) where c.id <> all (v_claimed) loop
        v_code[v_group] := 2;
      end loop;
      select json_agg(json_build_object(
        'id', c.id, 'group', c.grp, 'tenantId', k.tenant_id, 'stream', k.stream, 'answer', k.answer,
        'position', (select e.position from event e where e.stream = k.stream and e.version = (k.answer ->> 'version')::integer)))
      into v_duplicates
      from unnest(c_id, c_group) as c (id, grp)
      join client_command k on k.id = c.id
      where c.id <> all (v_claimed);
    end if;
  end if;

  if 0 = any (g_expected) then
    with created as (
      insert into stream (id, tenant_id, category, version, hash)
      select g.id, g.tenant, g.category, g.version, decode(g.hash, 'hex')
      from unnest(g_stream, g_tenant, g_category, g_expected, g_version, g_hash) with ordinality
        as g (id, tenant, category, expected, version, hash, n)
      where g.expected = 0 and g.version > 0 and v_code[g.n] = 0
      order by g.id
      on conflict (id) do nothing
      returning id
    )
    select coalesce(array_agg(id), '{}') into v_created from created;
  end if;

  perform 1
  from stream s
  where s.id = any (array(
    select g.id
    from unnest(g_stream, g_expected, g_version) with ordinality as g (id, expected, version, n)
    where g.expected > 0 and g.version > g.expected and v_code[g.n] = 0
  ))
  order by s.id
  for update;

  v_code := array(
    select (case
      when v_code[g.n] <> 0 then v_code[g.n]
      when s.id is null and g.version = 0 then 0
      when s.id is null then 1
      when s.tenant_id <> g.tenant then 4
      when s.version = g.expected then 0
      when g.expected = 0 and g.id = any (v_created) then 0
      else 1
    end)::smallint
    from unnest(g_stream, g_tenant, g_expected, g_version) with ordinality as g (id, tenant, expected, version, n)
    left join stream s on s.id = g.id
    order by g.n
  );

  if cardinality(q_key) > 0 then
    insert into quota (key)
    select distinct q.key
    from unnest(q_key) as q (key)
    order by q.key
    on conflict (key) do nothing;

    perform 1 from quota where key = any (q_key) order by key for update;

    select bool_and(
      (d.claims = 0 or r.used - d.releases + d.claims <= d.least)
      and (d.direct = 0 or r.waiting = 0))
    into v_fits
    from (
      select q.key,
        count(*) filter (where q.kind in ('claim', 'claim-queued')) as claims,
        count(*) filter (where q.kind = 'claim') as direct,
        count(*) filter (where q.kind = 'release') as releases,
        min(q.lim) filter (where q.kind in ('claim', 'claim-queued')) as least
      from unnest(q_group, q_key, q_kind, q_limit) as q (grp, key, kind, lim)
      where v_code[q.grp] = 0
      group by q.key
    ) d
    join quota r on r.key = d.key;

    if not coalesce(v_fits, true) then
      -- Somebody does not fit: groups take their turn, those that only give back first.
      select array_agg(key order by key), array_agg(used order by key), array_agg(waiting order by key)
      into v_keys, v_used, v_waiting
      from quota
      where key = any (q_key);
      for v_group in
        select q.grp
        from unnest(q_group, q_kind) as q (grp, kind)
        where v_code[q.grp] = 0
        group by q.grp
        order by bool_and(q.kind in ('release', 'unqueue')) desc, q.grp
      loop
        v_used_then := v_used;
        v_waiting_then := v_waiting;
        v_fits := true;
        for v_change in
          select q.key, q.kind, q.lim
          from unnest(q_group, q_key, q_kind, q_limit) with ordinality as q (grp, key, kind, lim, n)
          where q.grp = v_group
          order by (q.kind <> 'release'), q.n
        loop
          v_index := array_position(v_keys, v_change.key);
          case v_change.kind
            when 'release' then v_used[v_index] := v_used[v_index] - 1;
            when 'queue' then v_waiting[v_index] := v_waiting[v_index] + 1;
            when 'unqueue' then v_waiting[v_index] := v_waiting[v_index] - 1;
            else
              v_fits := v_used[v_index] < v_change.lim and (v_change.kind = 'claim-queued' or v_waiting[v_index] = 0);
              v_used[v_index] := v_used[v_index] + 1;
              if v_change.kind = 'claim-queued' then
                v_waiting[v_index] := v_waiting[v_index] - 1;
              end if;
          end case;
          if not v_fits then
            v_full := v_full || jsonb_build_object(v_group::text, v_change.key);
            exit;
          end if;
        end loop;
        if not v_fits then
          v_used := v_used_then;
          v_waiting := v_waiting_then;
          v_code[v_group] := 3;
        end if;
      end loop;
    end if;

    update quota r
    set used = r.used + d.used, waiting = r.waiting + d.waiting
    from (
      select q.key,
        sum(case when q.kind in ('claim', 'claim-queued') then 1 when q.kind = 'release' then -1 else 0 end)::integer as used,
        sum(case when q.kind = 'queue' then 1 when q.kind in ('claim-queued', 'unqueue') then -1 else 0 end)::integer as waiting
      from unnest(q_group, q_key, q_kind) as q (grp, key, kind)
      where v_code[q.grp] = 0
      group by q.key
    ) d
    where r.key = d.key;

    select json_agg(json_build_object('key', r.key, 'used', r.used, 'waiting', r.waiting))
    into v_quotas
    from quota r
    where r.key = any (q_key);
  end if;

  -- Whoever fails gives back what it claimed above.
  if exists (select 1 from unnest(v_code) as c (code) where c.code <> 0) then
    delete from client_command
    where id = any (array(
      select c.id from unnest(c_id, c_group) as c (id, grp) where v_code[c.grp] <> 0 and c.id = any (v_claimed)));
    delete from stream
    where id = any (array(
      select g.id from unnest(g_stream) with ordinality as g (id, n) where v_code[g.n] <> 0 and g.id = any (v_created)));
  end if;

  update stream s
  set version = g.version, hash = decode(g.hash, 'hex')
  from unnest(g_stream, g_expected, g_version, g_hash) with ordinality as g (id, expected, version, hash, n)
  where s.id = g.id and g.expected > 0 and g.version > g.expected and v_code[g.n] = 0;

  insert into workflow as w (
    stream, tenant_id, id, version, title, profile, state, status, phase, priority, progress, progress_percentage,
    requested_at, queued_at, ended_at, outcome, reason, due_at)
  select g_stream[r.grp], g_tenant[r.grp], r.id, r.version, r.title, r.profile, r.state, r.status, r.phase, r.priority, r.progress,
    r.percentage, r.requested, r.queued, r.ended, r.outcome, r.reason, r.due
  from unnest(w_group, w_id, w_version, w_title, w_profile, w_state, w_status, w_phase, w_priority, w_progress, w_percentage,
    w_requested, w_queued, w_ended, w_outcome, w_reason, w_due)
    as r (grp, id, version, title, profile, state, status, phase, priority, progress, percentage, requested, queued, ended, outcome, reason, due)
  where v_code[r.grp] = 0
  on conflict (stream) do update
  set version = excluded.version, state = excluded.state, status = excluded.status, phase = excluded.phase, progress = excluded.progress,
    progress_percentage = excluded.progress_percentage, queued_at = excluded.queued_at, ended_at = excluded.ended_at,
    outcome = excluded.outcome, reason = excluded.reason, due_at = excluded.due_at;

  insert into step (stream, step_id, tenant_id, kind, status, attempt, ready_version, holder, agent_id, lease_ms, deadline_at, due_at)
  select g_stream[r.grp], r.id, g_tenant[r.grp], r.kind, r.status, r.attempt, r.ready, r.holder, r.agent, r.lease, r.deadline, r.due
  from unnest(s_group, s_id, s_kind, s_status, s_attempt, s_ready, s_holder, s_agent, s_lease, s_deadline, s_due)
    as r (grp, id, kind, status, attempt, ready, holder, agent, lease, deadline, due)
  where v_code[r.grp] = 0
  on conflict (stream, step_id) do update
  set status = excluded.status, attempt = excluded.attempt, ready_version = excluded.ready_version, holder = excluded.holder,
    agent_id = excluded.agent_id, lease_ms = excluded.lease_ms, deadline_at = excluded.deadline_at, due_at = excluded.due_at;

  if cardinality(a_row) > 0 then
    insert into agent (stream, tenant_id, id, version, profile, available, detail)
    select g_stream[r.grp], g_tenant[r.grp], r.doc ->> 'id', (r.doc ->> 'version')::integer, r.doc -> 'profile',
      (r.doc ->> 'available')::boolean, r.doc ->> 'detail'
    from unnest(a_group, a_row) as r (grp, doc)
    where v_code[r.grp] = 0
    on conflict (stream) do update
    set version = excluded.version, profile = excluded.profile, available = excluded.available, detail = excluded.detail;
  end if;

  if cardinality(k_row) > 0 then
    insert into api_key (tenant_id, key_id, stream, name, role, hash, revoked)
    select g_tenant[r.grp], r.doc ->> 'keyId', g_stream[r.grp], r.doc ->> 'name', r.doc ->> 'role', r.doc ->> 'hash',
      (r.doc ->> 'revoked')::boolean
    from unnest(k_group, k_row) as r (grp, doc)
    where v_code[r.grp] = 0
    on conflict (tenant_id, key_id) do update
    set name = excluded.name, role = excluded.role, hash = excluded.hash, revoked = excluded.revoked;
  end if;

  select count(*) into v_count from unnest(e_group) as e (grp) where v_code[e.grp] = 0;
  if v_count > 0 then
    -- From here to the commit there is no other wait and no round trip to the client.
    perform pg_advisory_xact_lock(7236531, 1);
    update log_head h
    set position = h.position + v_count,
      recorded_at = greatest(h.recorded_at, date_trunc('milliseconds', clock_timestamp()))
    where h.k = 1
    returning h.position - v_count, h.recorded_at into v_head, v_at;
    insert into event (position, stream, version, tenant_id, type, schema_version, data, meta, occurred_at, recorded_at, command_id, hash)
    select v_head + row_number() over (order by e.n), g_stream[e.grp], e.version, g_tenant[e.grp], e.type, e.schema, e.data, e.meta,
      e.occurred, v_at, e.command, decode(e.hash, 'hex')
    from unnest(e_group, e_version, e_type, e_schema, e_data, e_meta, e_occurred, e_command, e_hash) with ordinality
      as e (grp, version, type, schema, data, meta, occurred, command, hash, n)
    where v_code[e.grp] = 0;
    if p_wake then
      perform pg_notify('tm_log', '');
    end if;
  end if;

  return query select v_code, v_head, v_at, v_quotas, v_duplicates, v_full::json;
end
$$;

insert into schema_version (version) values (2);
