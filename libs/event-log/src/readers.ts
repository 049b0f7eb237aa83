import {
  eventIdOf,
  type Actor,
  type CommandId,
  type EventType,
  type RecordedEvent,
  type StreamId,
  type TenantId,
} from '@taskmaster/contracts';
import type pg from 'pg';
import { faultOf } from './faults.js';
import { instantOf } from './instants.js';

/** The columns of an event as `storedEvent` wants them, of the table of that alias. */
export const eventColumns = (alias: string): string =>
  ['position', 'stream', 'version', 'tenant_id', 'type', 'schema_version', 'data', 'meta', 'occurred_at', 'recorded_at', 'command_id']
    .map((column) => `${alias}.${column}`)
    .join(', ') + `, encode(${alias}.hash, 'hex') as hash`;

const READ_ALL = `
  select ${eventColumns('e')}
  from event e
  where position > $1
  order by position
  limit $2`;

const READ_STREAM = `
  select ${eventColumns('e')}
  from event e
  where stream = $1 and version > $2
  order by version`;

const READ_STREAMS = `
  select ${eventColumns('e')}
  from unnest($1::text[], $2::integer[]) as q (of_stream, after_version)
  join event e on e.stream = q.of_stream and e.version > q.after_version
  order by e.stream, e.version`;

const READ_TENANT = `
  select ${eventColumns('e')}
  from event e
  where tenant_id = $1 and position > $2
  order by position
  limit $3`;

const READ_TENANT_STREAM = `
  select ${eventColumns('e')}
  from event e
  where stream = $1 and tenant_id = $2 and position > $3
  order by version
  limit $4`;

export interface EventRow {
  readonly position: number;
  readonly stream: StreamId;
  readonly version: number;
  readonly tenant_id: TenantId;
  readonly type: EventType;
  readonly schema_version: number;
  readonly data: string;
  readonly meta: string;
  readonly occurred_at: string;
  readonly recorded_at: string;
  readonly command_id: CommandId;
  readonly hash: string;
}

/** An event as it is stored: its data still the exact text, which a verifier hashes and a reader parses once. */
export interface StoredEvent extends Omit<RecordedEvent, 'id' | 'data' | 'type'> {
  readonly type: EventType;
  readonly dataText: string;
}

interface Meta {
  readonly actor: Actor;
  readonly correlationId: string;
  readonly causationId?: string;
  readonly traceparent?: string;
}

export function storedEvent(row: EventRow): StoredEvent {
  return {
    position: row.position,
    stream: row.stream,
    version: row.version,
    tenantId: row.tenant_id,
    type: row.type,
    schemaVersion: row.schema_version,
    dataText: row.data,
    occurredAt: instantOf(row.occurred_at),
    recordedAt: instantOf(row.recorded_at),
    commandId: row.command_id,
    hash: row.hash,
    ...(JSON.parse(row.meta) as Meta),
  };
}

/** The event with its data parsed and its id derived. */
export function recordedEvent({ dataText, ...stored }: StoredEvent): RecordedEvent {
  return { id: eventIdOf(stored.stream, stored.version), ...stored, data: JSON.parse(dataText) as RecordedEvent['data'] };
}

async function events(pool: pg.Pool, query: { name: string; text: string; values: unknown[] }): Promise<readonly StoredEvent[]> {
  try {
    const { rows } = await pool.query<EventRow>(query);
    return rows.map(storedEvent);
  } catch (error) {
    throw faultOf('reading the log', error);
  }
}

/** The log from a position on, in commit order. */
export const readAll = (pool: pg.Pool, afterPosition: number, limit: number): Promise<readonly StoredEvent[]> =>
  events(pool, { name: 'read-all', text: READ_ALL, values: [afterPosition, limit] });

export const readStream = (pool: pg.Pool, stream: StreamId, afterVersion: number): Promise<readonly StoredEvent[]> =>
  events(pool, { name: 'read-stream', text: READ_STREAM, values: [stream, afterVersion] });

/** Many streams in one round trip, ordered by stream and version. */
export const readStreams = (
  pool: pg.Pool,
  wanted: readonly { readonly stream: StreamId; readonly after: number }[],
): Promise<readonly StoredEvent[]> =>
  events(pool, { name: 'read-streams', text: READ_STREAMS, values: [wanted.map((w) => w.stream), wanted.map((w) => w.after)] });

/** One tenant's part of the log. */
export const readTenant = (pool: pg.Pool, tenantId: TenantId, after: number, limit: number): Promise<readonly StoredEvent[]> =>
  events(pool, { name: 'read-tenant', text: READ_TENANT, values: [tenantId, after, limit] });

/** One stream of a tenant, from a position on. */
export const readTenantStream = (
  pool: pg.Pool,
  of: { readonly tenantId: TenantId; readonly stream: StreamId },
  after: number,
  limit: number,
): Promise<readonly StoredEvent[]> =>
  events(pool, { name: 'read-tenant-stream', text: READ_TENANT_STREAM, values: [of.stream, of.tenantId, after, limit] });

/** The last position of the log; 0 when it is empty. */
export async function readHead(pool: pg.Pool): Promise<number> {
  try {
    const { rows } = await pool.query<{ position: number }>({
      name: 'read-head',
      text: 'select position from log_head where k = 1',
      values: [],
    });
    return rows[0]?.position ?? 0;
  } catch (error) {
    throw faultOf('reading the head of the log', error);
  }
}
