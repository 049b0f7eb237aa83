-- What is too large for an event: stored once per tenant under the SHA-256 of its bytes, and referenced by events through that hash.
-- Content that nothing refers to is harmless: its command was refused after it was stored, or never arrived.
create table content (
  tenant_id text not null,
  hash bytea not null,
  bytes integer not null,
  -- UTF-8 as it was hashed; a text column would refuse the character U+0000.
  body bytea not null,
  constraint content_pkey primary key (tenant_id, hash),
  constraint content_hash_is_of_body check (hash = sha256(body)),
  constraint content_bytes_are_of_body check (bytes = octet_length(body))
);

alter table content enable row level security;

do $$
begin
  if not exists (select 1 from pg_roles where rolname = 'taskmaster_service') or not exists (select 1 from pg_roles where rolname = 'taskmaster_reader') then
    return;
  end if;
  grant insert, select on content to taskmaster_service;
  grant select on content to taskmaster_reader;
  create policy content_service on content to taskmaster_service using (true) with check (true);
  create policy content_tenant on content for select to taskmaster_reader using (tenant_id = current_setting('app.tenant', true));
end
$$;

insert into schema_version (version) values (4);
