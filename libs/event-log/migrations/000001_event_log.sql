-- The log, its read models and its open work. Everything carries its tenant.

create table schema_version (
  version integer not null,
  constraint schema_version_pkey primary key (version)
);

create table log_head (
  k smallint not null default 1,
  position bigint not null,
  recorded_at timestamptz not null,
  constraint log_head_pkey primary key (k),
  constraint log_head_single check (k = 1)
) with (fillfactor = 10);
insert into log_head (k, position, recorded_at) values (1, 0, 'epoch');

create table stream (
  id text not null,
  tenant_id text not null,
  category text not null,
  version integer not null,
  hash bytea not null,
  constraint stream_pkey primary key (id),
  constraint stream_version_positive check (version > 0)
) with (fillfactor = 75);

create table event (
  position bigint not null,
  stream text not null,
  version integer not null,
  tenant_id text not null,
  type text not null,
  schema_version smallint not null,
  -- json keeps the exact bytes that were hashed.
  data json not null,
  meta json not null,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null,
  command_id uuid not null,
  hash bytea not null,
  constraint event_pkey primary key (position),
  constraint event_stream_version_key unique (stream, version)
);
create index event_recorded_at_idx on event using brin (recorded_at);

create table client_command (
  id uuid not null,
  tenant_id text not null,
  stream text not null,
  answer json not null,
  at timestamptz not null default clock_timestamp(),
  constraint client_command_pkey primary key (id)
);

create table quota (
  key text not null,
  used integer not null default 0,
  waiting integer not null default 0,
  constraint quota_pkey primary key (key),
  constraint quota_used_not_negative check (used >= 0),
  constraint quota_waiting_not_negative check (waiting >= 0)
) with (fillfactor = 50);

create table workflow (
  stream text not null,
  tenant_id text not null,
  id text not null,
  version integer not null,
  title text not null,
  profile text not null,
  state text not null,
  status text not null,
  phase text not null,
  priority text not null,
  progress double precision not null,
  progress_percentage double precision not null,
  requested_at timestamptz not null,
  queued_at timestamptz,
  ended_at timestamptz,
  outcome text,
  reason text not null,
  due_at timestamptz,
  constraint workflow_pkey primary key (stream)
) with (fillfactor = 75);
create index workflow_tenant_requested_idx on workflow (tenant_id, requested_at desc, id desc);
create index workflow_queued_idx on workflow (tenant_id, queued_at) where queued_at is not null;
create index workflow_due_idx on workflow (due_at) where due_at is not null;

create table step (
  stream text not null,
  step_id text not null,
  tenant_id text not null,
  kind text not null,
  status text not null,
  attempt integer not null,
  ready_version integer not null,
  holder text,
  agent_id text,
  lease_ms integer,
  deadline_at timestamptz,
  due_at timestamptz,
  constraint step_pkey primary key (stream, step_id)
) with (fillfactor = 75);
create index step_due_idx on step (due_at) where due_at is not null;
create index step_agent_idx on step (tenant_id, agent_id) where agent_id is not null;

create table agent (
  stream text not null,
  tenant_id text not null,
  id text not null,
  version integer not null,
  profile json not null,
  available boolean not null,
  detail text not null,
  constraint agent_pkey primary key (stream)
);
create index agent_tenant_idx on agent (tenant_id, id);

create table api_key (
  tenant_id text not null,
  key_id text not null,
  stream text not null,
  name text not null,
  role text not null,
  hash text not null,
  revoked boolean not null,
  constraint api_key_pkey primary key (tenant_id, key_id),
  constraint api_key_hash_key unique (hash)
);

create table snapshot (
  stream text not null,
  tenant_id text not null,
  version integer not null,
  reducer integer not null,
  hash bytea not null,
  state json not null,
  constraint snapshot_pkey primary key (stream)
);

create table work_epoch (
  k smallint not null default 1,
  epoch integer not null,
  -- The highest position whose notices the broker is known to hold.
  acknowledged_upto bigint not null,
  stream_created timestamptz,
  constraint work_epoch_pkey primary key (k),
  constraint work_epoch_single check (k = 1)
);
insert into work_epoch (k, epoch, acknowledged_upto) values (1, 0, 0);

create function refuse_change() returns trigger
language plpgsql
as $$
begin
  raise exception 'the log is append-only: % on % is refused', tg_op, tg_table_name using errcode = 'restrict_violation';
end
$$;

create trigger event_append_only
before update or delete or truncate on event
for each statement execute function refuse_change();

insert into schema_version (version) values (1);
