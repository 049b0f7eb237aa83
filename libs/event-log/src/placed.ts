import { hash } from 'node:crypto';
import { chainText } from '@taskmaster/contracts';
import type { AppendGroup, UnplacedEvent } from './rows.js';

/** A group and the hash of each of its events, chained to the one before. */
export interface PlacedGroup {
  readonly group: AppendGroup;
  /** Hex, in the order of the events. */
  readonly hashes: readonly string[];
}

export function placed(group: AppendGroup): PlacedGroup {
  const { stream, tenantId, expectedVersion, previousHash, events } = group;
  const hashes: string[] = [];
  let previous = previousHash;
  for (const [i, event] of events.entries()) {
    previous = hash('sha256', chainText(previous, { stream, version: expectedVersion + i + 1, tenantId }, event));
    hashes.push(previous);
  }
  return { group, hashes };
}

/** Stored beside the data and not part of the decision: who, why, and the trace. */
export const metaText = ({ actor, correlationId, causationId, traceparent }: UnplacedEvent): string =>
  JSON.stringify({ actor, correlationId, causationId, traceparent });
