import type { StreamId, TenantId } from '@taskmaster/contracts';
import type pg from 'pg';
import { faultOf } from './faults.js';

/** A folded state and where it was taken. Never authoritative: another reducer version makes it worthless. */
export interface Snapshot {
  readonly stream: StreamId;
  readonly tenantId: TenantId;
  readonly version: number;
  /** Hash of the event at that version. */
  readonly hash: string;
  readonly stateText: string;
}

const READ_SNAPSHOTS = `
  select stream, tenant_id as "tenantId", version, encode(hash, 'hex') as hash, state as "stateText"
  from snapshot
  where stream = any ($1) and reducer = $2`;

const WRITE_SNAPSHOT = `
  insert into snapshot (stream, tenant_id, version, reducer, hash, state)
  values ($1, $2, $3, $4, decode($5, 'hex'), $6)
  on conflict (stream) do update
  set version = excluded.version, reducer = excluded.reducer, hash = excluded.hash, state = excluded.state
  where snapshot.version < excluded.version or snapshot.reducer <> excluded.reducer`;

export async function readSnapshots(pool: pg.Pool, streams: readonly StreamId[], reducer: number): Promise<readonly Snapshot[]> {
  try {
    const { rows } = await pool.query<Snapshot>({ name: 'read-snapshots', text: READ_SNAPSHOTS, values: [streams, reducer] });
    return rows;
  } catch (error) {
    throw faultOf('reading snapshots', error);
  }
}

export async function writeSnapshot(pool: pg.Pool, snapshot: Snapshot, reducer: number): Promise<void> {
  const { stream, tenantId, version, hash, stateText } = snapshot;
  try {
    await pool.query({ name: 'write-snapshot', text: WRITE_SNAPSHOT, values: [stream, tenantId, version, reducer, hash, stateText] });
  } catch (error) {
    throw faultOf('writing a snapshot', error);
  }
}
