import { hash } from 'node:crypto';
import { chainText, timestampOf, type StepId, type Timestamp } from '@taskmaster/contracts';
import { StatementRefused } from '../faults.js';
import type { StoredEvent } from '../readers.js';
import type { AppendGroup, AppendOutcome, EarlierAnswer, GroupOutcome, QuotaCount, StoredAnswer } from '../rows.js';
import { changeQuotas } from './quotas.js';
import { stepKey, type Tables } from './tables.js';

/** Appends groups of one stream each, all at once. @throws StatementRefused when one of them cannot be stored: then nothing was appended */
export function appendGroups(tables: Tables, groups: readonly AppendGroup[], nowMs: number): AppendOutcome {
  for (const group of groups) refuseUnreadable(group);
  const claims = new Map<string, StoredAnswer & { readonly group: number }>();
  const outcomes: (GroupOutcome | undefined)[] = groups.map(() => undefined);
  groups.forEach((group, index) => {
    const earlier = group.answers.flatMap((answer) => claim(tables, claims, answer, index));
    if (earlier.length > 0) outcomes[index] = { kind: 'duplicate', earlier };
  });
  standingOf(tables, groups, outcomes);
  const { counts, full } = changeQuotas(tables.quotas, groups, (index) => outcomes[index] === undefined);
  for (const [index, key] of full) outcomes[index] = { kind: 'full', key };
  for (const [key, count] of counts) tables.quotas.set(key, count);
  for (const { commandId, answer, group } of claims.values()) {
    const at = groups[group];
    if (at !== undefined && outcomes[group] === undefined)
      tables.clientCommands.set(commandId, { tenantId: at.tenantId, stream: at.stream, answer });
  }
  return { groups: place(tables, groups, outcomes, nowMs), quotas: [...counts.values()] };
}

function refuseUnreadable(group: AppendGroup): void {
  for (const { dataText } of group.events) {
    try {
      JSON.parse(dataText);
    } catch (error) {
      throw new StatementRefused('appending a batch: the data of an event is not JSON', { cause: error });
    }
  }
}

/** Takes the id for this group, or says what it was answered before. */
function claim(
  tables: Tables,
  claims: Map<string, StoredAnswer & { readonly group: number }>,
  stored: StoredAnswer,
  group: number,
): readonly EarlierAnswer[] {
  const { commandId } = stored;
  const before = tables.clientCommands.get(commandId);
  if (before === undefined) {
    if (!claims.has(commandId)) claims.set(commandId, { ...stored, group });
    return [];
  }
  const { version } = before.answer as { readonly version?: number };
  const position = tables.eventsOf.get(before.stream)?.[(version ?? 0) - 1]?.position ?? null;
  return [{ commandId, ...before, position }];
}

/** Says of each group whether the version that it was decided on is still the stream's. */
function standingOf(tables: Tables, groups: readonly AppendGroup[], outcomes: (GroupOutcome | undefined)[]): void {
  const created = new Set<string>();
  groups.forEach((group, index) => {
    if (outcomes[index] !== undefined) return;
    const stream = tables.streams.get(group.stream);
    if (stream !== undefined && stream.tenantId !== group.tenantId) outcomes[index] = { kind: 'tenant-mismatch' };
    else if ((stream?.version ?? 0) !== group.expectedVersion || created.has(group.stream)) outcomes[index] = { kind: 'conflict' };
    else if (stream === undefined && group.events.length > 0) created.add(group.stream);
  });
}

function place(
  tables: Tables,
  groups: readonly AppendGroup[],
  outcomes: readonly (GroupOutcome | undefined)[],
  nowMs: number,
): readonly GroupOutcome[] {
  const now = timestampOf(nowMs);
  const writes = groups.some((group, index) => outcomes[index] === undefined && group.events.length > 0);
  if (writes && now > tables.recordedAt) tables.recordedAt = now;
  const recordedAt = writes ? tables.recordedAt : ('' as Timestamp);
  return groups.map((group, index) => {
    const no = outcomes[index];
    if (no !== undefined) return no;
    const firstPosition = tables.events.length + 1;
    const last = placeEvents(tables, group, recordedAt);
    placeRows(tables, group);
    return { kind: 'appended', firstPosition, recordedAt, hash: last };
  });
}

function placeEvents(tables: Tables, group: AppendGroup, recordedAt: Timestamp): string {
  const { stream, tenantId } = group;
  const ofStream = tables.eventsOf.get(stream) ?? [];
  let [version, previous] = [group.expectedVersion, group.previousHash];
  for (const event of group.events) {
    version += 1;
    previous = hash('sha256', chainText(previous, { stream, version, tenantId }, event));
    const stored: StoredEvent = { position: tables.events.length + 1, stream, version, tenantId, ...event, recordedAt, hash: previous };
    tables.events.push(stored);
    ofStream.push(stored);
  }
  if (group.events.length === 0) return previous;
  tables.eventsOf.set(stream, ofStream);
  tables.streams.set(stream, { tenantId, version, hash: previous });
  return previous;
}

function placeRows(tables: Tables, { stream, tenantId, workflow, steps = [] }: AppendGroup): void {
  if (workflow !== undefined) tables.workflows.set(stream, { ...workflow, stream, tenantId });
  for (const step of steps) tables.steps.set(stepKey(stream, step.stepId), { ...step, stream, tenantId, stepId: step.stepId as StepId });
}

/** As `appendGroups`, but when one group cannot be stored they are tried one by one, and only that group fails. */
export function appendGuarded(tables: Tables, groups: readonly AppendGroup[], nowMs: number): AppendOutcome {
  try {
    return appendGroups(tables, groups, nowMs);
  } catch (error) {
    if (!(error instanceof StatementRefused)) throw error;
    if (groups.length === 1) return { groups: [{ kind: 'failed', error }], quotas: [] };
  }
  const outcomes: GroupOutcome[] = [];
  const quotas: QuotaCount[] = [];
  for (const group of groups) {
    const alone = appendGuarded(tables, [group], nowMs);
    outcomes.push(...alone.groups);
    quotas.push(...alone.quotas);
  }
  return { groups: outcomes, quotas };
}
