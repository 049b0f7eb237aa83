import {
  CHAIN_START,
  categoryOf,
  invariant,
  type DomainEvent,
  type EventType,
  type Fact,
  type StreamCategory,
  type StreamId,
  type TenantId,
} from '@taskmaster/contracts';
import type { StoredEvent } from '@taskmaster/event-log';
import { deciderOf, upcast } from '@taskmaster/workflow';

/** A stream's folded state and the version it was folded to. Never changed, only replaced. */
export interface Entry {
  readonly stream: StreamId;
  readonly category: StreamCategory;
  /** Null for a stream that does not exist yet. */
  readonly tenantId: TenantId | null;
  readonly version: number;
  readonly hash: string;
  readonly state: unknown;
}

export function absentEntry(stream: StreamId): Entry {
  const category = categoryOf(stream);
  invariant(category !== undefined, 'a stream id begins with its category');
  return { stream, category, tenantId: null, version: 0, hash: CHAIN_START, state: deciderOf(category).initial };
}

export const factOf = (type: EventType, data: unknown, at: string): Fact => ({ type, data, at }) as Fact;

/** The fact in today's shape, whatever version it was written in. */
export const factOfStored = (event: StoredEvent): Fact =>
  factOf(event.type, upcast(event.type, event.schemaVersion, JSON.parse(event.dataText) as DomainEvent['data']), event.occurredAt);

/** Folds events that directly follow the entry. */
export function foldInto(entry: Entry, events: readonly StoredEvent[]): Entry {
  const last = events.at(-1);
  if (last === undefined) return entry;
  const decider = deciderOf(entry.category);
  let { state, version } = entry;
  for (const event of events) {
    version += 1;
    invariant(event.version === version, `I2: ${event.stream} goes on with version ${String(version)}, not ${String(event.version)}`);
    state = decider.evolve(state, factOfStored(event));
  }
  return { ...entry, tenantId: last.tenantId, version, hash: last.hash, state };
}
