import type { StreamId } from '@taskmaster/contracts';
import type { EpochRow } from '../epochs.js';
import type { StoredEvent } from '../readers.js';
import type { AppendGroup, AppendOutcome } from '../rows.js';
import type { Snapshot } from '../snapshots.js';
import type { EventStore } from '../store.js';
import { appendGuarded } from './append.js';
import { InMemoryOpenWork } from './open-work.js';
import { emptyTables, type Tables } from './tables.js';

/** The log, its rows and the epoch in the memory of this process: the same ports as Postgres has, for simulations and specs. */
export class InMemoryDatabase {
  readonly tables: Tables = emptyTables();
  readonly store: EventStore;
  readonly openWork: InMemoryOpenWork;
  readonly epochs: InMemoryEpochStore;

  /** @param now milliseconds since the epoch, as the database's own clock has them */
  constructor(
    now: () => number,
    /** Told of every append that recorded events and wakes. */
    onCommit: () => void = () => undefined,
  ) {
    this.store = new InMemoryEventStore(this.tables, now, onCommit);
    this.openWork = new InMemoryOpenWork(this.tables, now);
    this.epochs = new InMemoryEpochStore(this.tables);
  }
}

class InMemoryEventStore implements EventStore {
  constructor(
    private readonly tables: Tables,
    private readonly now: () => number,
    private readonly onCommit: () => void,
  ) {}

  append(groups: readonly AppendGroup[], wake = true): Promise<AppendOutcome> {
    const before = this.tables.events.length;
    const outcome = appendGuarded(this.tables, groups, this.now());
    if (wake && this.tables.events.length > before) this.onCommit();
    return Promise.resolve(outcome);
  }

  readStream(stream: StreamId, afterVersion: number): Promise<readonly StoredEvent[]> {
    return Promise.resolve((this.tables.eventsOf.get(stream) ?? []).slice(afterVersion));
  }

  readStreams(wanted: readonly { readonly stream: StreamId; readonly after: number }[]): Promise<readonly StoredEvent[]> {
    const ordered = [...wanted].sort((a, b) => (a.stream < b.stream ? -1 : 1));
    return Promise.resolve(ordered.flatMap(({ stream, after }) => (this.tables.eventsOf.get(stream) ?? []).slice(after)));
  }

  readAll(afterPosition: number, limit: number): Promise<readonly StoredEvent[]> {
    return Promise.resolve(this.tables.events.slice(afterPosition, afterPosition + limit));
  }

  head(): Promise<number> {
    return Promise.resolve(this.tables.events.length);
  }

  readSnapshots(streams: readonly StreamId[], reducer: number): Promise<readonly Snapshot[]> {
    return Promise.resolve(
      streams.flatMap((stream) => {
        const found = this.tables.snapshots.get(stream);
        if (found?.reducer !== reducer) return [];
        const { reducer: _reducer, ...snapshot } = found;
        return [snapshot];
      }),
    );
  }

  writeSnapshot(snapshot: Snapshot, reducer: number): Promise<void> {
    const known = this.tables.snapshots.get(snapshot.stream);
    const isNewer = known === undefined || known.version < snapshot.version || known.reducer !== reducer;
    if (isNewer) this.tables.snapshots.set(snapshot.stream, { ...snapshot, reducer });
    return Promise.resolve();
  }
}

/** Where epochs of the broker are kept: one row, changed by compare-and-set. */
export class InMemoryEpochStore {
  constructor(private readonly tables: Tables) {}

  current(): Promise<EpochRow> {
    return Promise.resolve(this.tables.epoch);
  }

  bump(from: number): Promise<number> {
    if (this.tables.epoch.epoch === from) this.tables.epoch = { epoch: from + 1, acknowledgedUpto: 0 };
    return Promise.resolve(this.tables.epoch.epoch);
  }

  acknowledge(epoch: number, upto: number): Promise<boolean> {
    const { epoch: current, acknowledgedUpto } = this.tables.epoch;
    if (epoch === current && upto > acknowledgedUpto) this.tables.epoch = { epoch, acknowledgedUpto: upto };
    return Promise.resolve(epoch === current);
  }
}
