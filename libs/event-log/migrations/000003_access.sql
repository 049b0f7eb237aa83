-- Who may do what. `taskmaster_service` appends through the function and relays; `taskmaster_reader` sees one tenant.
-- Where the migrating user may not create roles, the services run as that user: the trigger still refuses changes to the log,
-- and every query names its tenant.
do $$
begin
  begin
    create role taskmaster_service nologin;
  exception when duplicate_object or unique_violation then null;
  end;
  begin
    create role taskmaster_reader nologin;
  exception when duplicate_object or unique_violation then null;
  end;
  execute format('grant taskmaster_service, taskmaster_reader to %I', current_user);
exception when insufficient_privilege then
  raise notice 'this user may not create roles: the services run without taskmaster_service';
end
$$;

revoke execute on function append_batch from public;

alter table stream enable row level security;
alter table event enable row level security;
alter table client_command enable row level security;
alter table workflow enable row level security;
alter table step enable row level security;
alter table agent enable row level security;
alter table api_key enable row level security;
alter table snapshot enable row level security;

do $$
declare
  v_table text;
begin
  if not exists (select 1 from pg_roles where rolname = 'taskmaster_service') or not exists (select 1 from pg_roles where rolname = 'taskmaster_reader') then
    return;
  end if;
  grant usage on schema public to taskmaster_service, taskmaster_reader;
  grant select on all tables in schema public to taskmaster_service;
  grant execute on function append_batch to taskmaster_service;
  -- Timers and leases move without an event; so do epochs and snapshots.
  grant update (due_at) on step to taskmaster_service;
  grant update on work_epoch to taskmaster_service;
  grant insert, update on snapshot to taskmaster_service;
  grant select on stream, event, workflow, step, agent, api_key, log_head to taskmaster_reader;
  foreach v_table in array array['stream', 'event', 'client_command', 'workflow', 'step', 'agent', 'api_key', 'snapshot'] loop
    execute format('create policy %I on %I to taskmaster_service using (true) with check (true)', v_table || '_service', v_table);
    execute format(
      'create policy %I on %I for select to taskmaster_reader using (tenant_id = current_setting(''app.tenant'', true))',
      v_table || '_tenant', v_table);
  end loop;
end
$$;

insert into schema_version (version) values (3);
