import type { RecordedEvent, StreamId } from '@taskmaster/contracts';
import { appendGuarded } from './append.js';
import type { Pools } from './pools.js';
import { readAll, readHead, readStream, readStreams, type StoredEvent } from './readers.js';
import type { AppendGroup, AppendOutcome } from './rows.js';
import { readSnapshots, writeSnapshot, type Snapshot } from './snapshots.js';

/** The log as the command handler and the relay see it. */
export interface EventStore {
  /** Appends many groups in one statement; the outcome is per group. @throws Fault when nobody knows what became of them */
  /** @param wake false when the caller relays the log itself, so nobody need be told of the commit */
  append(groups: readonly AppendGroup[], wake?: boolean): Promise<AppendOutcome>;
  readStream(stream: StreamId, afterVersion: number): Promise<readonly StoredEvent[]>;
  readStreams(wanted: readonly { readonly stream: StreamId; readonly after: number }[]): Promise<readonly StoredEvent[]>;
  readAll(afterPosition: number, limit: number): Promise<readonly StoredEvent[]>;
  head(): Promise<number>;
  readSnapshots(streams: readonly StreamId[], reducer: number): Promise<readonly Snapshot[]>;
  writeSnapshot(snapshot: Snapshot, reducer: number): Promise<void>;
}

/** The log in Postgres. Reads that a decision rests on go to the primary. */
export class PostgresEventStore implements EventStore {
  constructor(private readonly pools: Pools) {}

  append(groups: readonly AppendGroup[], wake = true): Promise<AppendOutcome> {
    return appendGuarded(this.pools.write, groups, wake);
  }

  readStream(stream: StreamId, afterVersion: number): Promise<readonly StoredEvent[]> {
    return readStream(this.pools.write, stream, afterVersion);
  }

  readStreams(wanted: readonly { readonly stream: StreamId; readonly after: number }[]): Promise<readonly StoredEvent[]> {
    return readStreams(this.pools.write, wanted);
  }

  readAll(afterPosition: number, limit: number): Promise<readonly StoredEvent[]> {
    return readAll(this.pools.write, afterPosition, limit);
  }

  head(): Promise<number> {
    return readHead(this.pools.write);
  }

  readSnapshots(streams: readonly StreamId[], reducer: number): Promise<readonly Snapshot[]> {
    return readSnapshots(this.pools.write, streams, reducer);
  }

  writeSnapshot(snapshot: Snapshot, reducer: number): Promise<void> {
    return writeSnapshot(this.pools.write, snapshot, reducer);
  }
}

export type { RecordedEvent };
