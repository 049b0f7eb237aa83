import { hash } from 'node:crypto';
import { Fault, type TenantId } from '@taskmaster/contracts';
import type pg from 'pg';
import { faultOf } from './faults.js';

/** Content that an event refers to is gone, or is not what it was when the event was recorded. */
export class ContentLost extends Fault {
  override readonly name = 'ContentLost';
  readonly code = 'content-lost';
  readonly retryable = false;
}

/** What an event refers to. */
export interface ContentRef {
  readonly tenantId: TenantId;
  /** SHA-256 of the text in UTF-8, in hex. */
  readonly hash: string;
}

const STORE = `
  insert into content (tenant_id, hash, bytes, body)
  values ($1, decode($2, 'hex'), $3, $4)
  on conflict (tenant_id, hash) do nothing`;

const READ = `
  select c.tenant_id as "tenantId", encode(c.hash, 'hex') as hash, c.body
  from unnest($1::text[], $2::text[]) as q (of_tenant, of_hash)
  join content c on c.tenant_id = q.of_tenant and c.hash = decode(q.of_hash, 'hex')`;

/** Stores a text once; a second time changes nothing. @returns its hash */
export async function storeContent(pool: pg.Pool, tenantId: TenantId, text: string): Promise<string> {
  const body = Buffer.from(text, 'utf8');
  const digest = hash('sha256', body);
  try {
    await pool.query({ name: 'store-content', text: STORE, values: [tenantId, digest, body.length, body] });
  } catch (error) {
    throw faultOf('storing content', error);
  }
  return digest;
}

interface ContentRow extends ContentRef {
  readonly body: Buffer;
}

async function read(pool: pg.Pool, refs: readonly ContentRef[]): Promise<readonly ContentRow[]> {
  try {
    const values = [refs.map(({ tenantId }) => tenantId), refs.map((ref) => ref.hash)];
    return (await pool.query<ContentRow>({ name: 'read-content', text: READ, values })).rows;
  } catch (error) {
    throw faultOf('reading content', error);
  }
}

/** The text behind a reference. @throws ContentLost when there is none or it was changed */
export async function readContent(pool: pg.Pool, ref: ContentRef): Promise<string> {
  const [row] = await read(pool, [ref]);
  if (row === undefined) throw new ContentLost(`content ${ref.hash} is not there`);
  if (hash('sha256', row.body) !== ref.hash) throw new ContentLost(`content ${ref.hash} was changed`);
  return row.body.toString('utf8');
}

/** How each reference stands, in their order; the hashes are computed here, not by the database. */
export async function checkContents(pool: pg.Pool, refs: readonly ContentRef[]): Promise<readonly ('intact' | 'changed' | 'missing')[]> {
  const keyOf = (ref: ContentRef): string => `${ref.hash} ${ref.tenantId}`;
  const rows = new Map((await read(pool, refs)).map((row) => [keyOf(row), row]));
  return refs.map((ref) => {
    const row = rows.get(keyOf(ref));
    if (row === undefined) return 'missing';
    return hash('sha256', row.body) === ref.hash ? 'intact' : 'changed';
  });
}
