-- Which text of each migration made this schema: SHA-256 in hex. Null where it was applied before checksums were kept; the next program
-- that knows such a migration fills it in.
alter table schema_version add column checksum text;

insert into schema_version (version) values (5);
