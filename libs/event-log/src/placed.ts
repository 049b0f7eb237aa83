import { hash } from 'node:crypto';
import { chainText } from '@taskmaster/contracts';
import type { AppendGroup, StepRecord, UnplacedEvent, WorkflowRecord } from './rows.js';

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

type Value = string | number | null;

/** What both append functions are told of a workflow's row after its ids, in the order of their columns. */
export const workflowValues = (w: WorkflowRecord): readonly Value[] => [
  ...[w.version, w.title, w.profile, w.state, w.status, w.phase, w.priority, w.progress, w.progressPercentage],
  ...[w.requestedAt, w.queuedAt, w.endedAt, w.outcome, w.reason, w.dueAt],
];

/** The same of a step's row. */
export const stepValues = (s: StepRecord): readonly Value[] => [
  ...[s.kind, s.status, s.attempt, s.readyVersion, s.holder, s.agentId, s.leaseMs, s.deadlineAt, s.dueAt],
];
