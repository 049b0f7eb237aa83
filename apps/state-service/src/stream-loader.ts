import type { StreamId } from '@taskmaster/contracts';
import type { EventStore, StoredEvent } from '@taskmaster/event-log';
import { eventsPerSnapshot, type Workflow } from '@taskmaster/workflow';
import { LRUCache } from 'lru-cache';
import { absentEntry, foldInto, type Entry } from './entry.js';

/** Streams whose state stays in memory; the one used longest ago leaves first and is folded again when it is wanted. */
export const CACHED_STREAMS_MAX = 5_000;
/** Of workflows that have ended only the last few are asked for; every other one that is kept outlives the young generation for nothing. */
export const CACHED_ENDED_MAX = 16;
/** A snapshot of what is not a workflow is taken every so many events. */
export const SNAPSHOT_EVERY = 200;
/** Raised when the shape of a folded state or the meaning of an event changes: older snapshots are then not read. */
export const REDUCER_VERSION = 4;

/** Folded states by stream. The cache is advanced only by what was committed. */
export class StreamLoader {
  private readonly live: LRUCache<StreamId, Entry>;
  private readonly ended: LRUCache<StreamId, Entry>;

  constructor(
    private readonly store: EventStore,
    cachedMax = CACHED_STREAMS_MAX,
  ) {
    this.live = new LRUCache({ max: cachedMax });
    this.ended = new LRUCache({ max: Math.min(cachedMax, CACHED_ENDED_MAX) });
  }

  cached(stream: StreamId): Entry | undefined {
    return this.live.get(stream) ?? this.ended.get(stream);
  }

  /** Keeps a committed state unless a newer one is known. */
  keep(entry: Entry): void {
    const known = this.cached(entry.stream);
    if (known !== undefined && known.version > entry.version) return;
    if (hasEnded(entry)) {
      this.live.delete(entry.stream);
      this.ended.set(entry.stream, entry);
    } else this.live.set(entry.stream, entry);
  }

  forget(stream: StreamId): void {
    this.live.delete(stream);
    this.ended.delete(stream);
  }

  /** Today's state of streams, from the log: what follows the cached state, else a snapshot and what follows it. */
  async refresh(streams: readonly StreamId[]): Promise<ReadonlyMap<StreamId, Entry>> {
    const from = new Map<StreamId, Entry>();
    const unknown = streams.filter((stream) => {
      const entry = this.cached(stream);
      if (entry !== undefined) from.set(stream, entry);
      return entry === undefined;
    });
    if (unknown.length > 0) for (const entry of await this.fromSnapshots(unknown)) from.set(entry.stream, entry);
    const starts = streams.map((stream) => from.get(stream) ?? absentEntry(stream));
    const events = byStream(await this.store.readStreams(starts.map(({ stream, version }) => ({ stream, after: version }))));
    const entries = starts.map((start) => foldInto(start, events.get(start.stream) ?? []));
    for (const entry of entries) if (entry.version > 0) this.keep(entry);
    return new Map(entries.map((entry) => [entry.stream, entry]));
  }

  /** The cached state, else the state from the log. */
  async load(streams: readonly StreamId[]): Promise<ReadonlyMap<StreamId, Entry>> {
    const entries = new Map<StreamId, Entry>();
    const missing: StreamId[] = [];
    for (const stream of streams) {
      const entry = this.cached(stream);
      if (entry === undefined) missing.push(stream);
      else entries.set(stream, entry);
    }
    if (missing.length > 0) for (const [stream, entry] of await this.refresh(missing)) entries.set(stream, entry);
    return entries;
  }

  /** Takes a snapshot when the way from one version to another crosses a multiple of how often this stream has one. */
  async snapshot(fromVersion: number, entry: Entry): Promise<void> {
    const every = entry.category === 'workflow' ? eventsPerSnapshot(entry.state as Workflow) : SNAPSHOT_EVERY;
    if (Math.floor(fromVersion / every) === Math.floor(entry.version / every) || entry.tenantId === null) return;
    const { stream, tenantId, version, hash, state } = entry;
    await this.store.writeSnapshot({ stream, tenantId, version, hash, stateText: JSON.stringify(state) }, REDUCER_VERSION);
  }

  private async fromSnapshots(streams: readonly StreamId[]): Promise<readonly Entry[]> {
    const snapshots = await this.store.readSnapshots(streams, REDUCER_VERSION);
    return snapshots.map(({ stream, tenantId, version, hash, stateText }) => ({
      ...absentEntry(stream),
      tenantId,
      version,
      hash,
      state: JSON.parse(stateText) as unknown,
    }));
  }
}

const hasEnded = ({ category, state }: Entry): boolean => category === 'workflow' && (state as Workflow).status === 'ended';

function byStream(events: readonly StoredEvent[]): ReadonlyMap<StreamId, readonly StoredEvent[]> {
  const grouped = new Map<StreamId, StoredEvent[]>();
  for (const event of events) {
    const list = grouped.get(event.stream);
    if (list === undefined) grouped.set(event.stream, [event]);
    else list.push(event);
  }
  return grouped;
}
