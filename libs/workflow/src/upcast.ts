import type { EventType } from '@taskmaster/contracts';

/** Turns the data of one schema version into that of the next. Pure; applied on read, one version at a time. */
export type Upcaster = (data: unknown) => unknown;

/** By event type, then by the version it starts from. Published events never change: new shape, new version, new upcaster. */
const UPCASTERS: Readonly<Partial<Record<EventType, Readonly<Record<number, Upcaster>>>>> = {};

/** Today's shape of an event's data, whatever version it was written in. */
export function upcast(type: EventType, schemaVersion: number, data: unknown): unknown {
  const chain = UPCASTERS[type];
  if (chain === undefined) return data;
  let current = data;
  for (let version = schemaVersion, step = chain[version]; step !== undefined; version += 1, step = chain[version]) current = step(current);
  return current;
}
