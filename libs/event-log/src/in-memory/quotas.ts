import { StatementRefused } from '../faults.js';
import type { AppendGroup, QuotaCount, QuotaRequest } from '../rows.js';

interface Count {
  used: number;
  waiting: number;
}

/** What the quota rows become, and the groups that find no place with the key that had none. */
export interface QuotaChanges {
  readonly counts: ReadonlyMap<string, QuotaCount>;
  readonly full: ReadonlyMap<number, string>;
}

/** Applies the changes of the groups that still stand, in the order of the append function. @throws StatementRefused */
export function changeQuotas(
  quotas: ReadonlyMap<string, QuotaCount>,
  groups: readonly AppendGroup[],
  stands: (index: number) => boolean,
): QuotaChanges {
  const counts = countsOf(quotas, groups);
  const standing = groups.map((_, index) => index).filter(stands);
  const full = allFit(counts, groups, standing) ? applyAll(counts, groups, standing) : takeTurns(counts, groups, standing);
  for (const [key, { used, waiting }] of counts) {
    if (used < 0 || waiting < 0) throw new StatementRefused(`the quota ${key} would fall below nothing`);
  }
  return { counts: new Map([...counts].map(([key, count]) => [key, { key, ...count }])), full };
}

/** The rows that the groups ask for, as they are before; those that do not exist yet are empty. */
function countsOf(quotas: ReadonlyMap<string, QuotaCount>, groups: readonly AppendGroup[]): Map<string, Count> {
  const counts = new Map<string, Count>();
  for (const { key } of groups.flatMap((group) => group.quotas)) {
    const { used = 0, waiting = 0 } = quotas.get(key) ?? {};
    counts.set(key, { used, waiting });
  }
  return counts;
}

/** Whether every claim fits when all that stand are taken together. */
function allFit(counts: ReadonlyMap<string, Count>, groups: readonly AppendGroup[], standing: readonly number[]): boolean {
  for (const [key, { used, waiting }] of counts) {
    const changes = standing.flatMap((index) => groups[index]?.quotas ?? []).filter((change) => change.key === key);
    const claims = changes.filter(({ kind }) => kind === 'claim' || kind === 'claim-queued');
    if (claims.length === 0) continue;
    const releases = changes.filter(({ kind }) => kind === 'release').length;
    if (used - releases + claims.length > Math.min(...claims.map(({ limit }) => limit))) return false;
    if (waiting > 0 && claims.some(({ kind }) => kind === 'claim')) return false;
  }
  return true;
}

function applyAll(counts: Map<string, Count>, groups: readonly AppendGroup[], standing: readonly number[]): Map<number, string> {
  for (const index of standing) for (const change of groups[index]?.quotas ?? []) apply(counts, change);
  return new Map();
}

const GIVES_BACK: readonly QuotaRequest['kind'][] = ['release', 'unqueue'];

/** Somebody does not fit: groups take their turn, those that only give back first. */
function takeTurns(counts: Map<string, Count>, groups: readonly AppendGroup[], standing: readonly number[]): Map<number, string> {
  const full = new Map<number, string>();
  const asking = standing.filter((index) => (groups[index]?.quotas.length ?? 0) > 0);
  const givesBack = (index: number): boolean => groups[index]?.quotas.every(({ kind }) => GIVES_BACK.includes(kind)) === true;
  for (const index of [...asking.filter(givesBack), ...asking.filter((one) => !givesBack(one))]) {
    const before = new Map([...counts].map(([key, count]) => [key, { ...count }]));
    const changes = groups[index]?.quotas ?? [];
    for (const change of [...changes.filter(isRelease), ...changes.filter((one) => !isRelease(one))]) {
      if (fits(counts, change)) apply(counts, change);
      else {
        full.set(index, change.key);
        for (const [key, count] of before) counts.set(key, count);
        break;
      }
    }
  }
  return full;
}

const isRelease = ({ kind }: QuotaRequest): boolean => kind === 'release';

function fits(counts: ReadonlyMap<string, Count>, { key, kind, limit }: QuotaRequest): boolean {
  if (kind !== 'claim' && kind !== 'claim-queued') return true;
  const { used, waiting } = counts.get(key) ?? { used: 0, waiting: 0 };
  return used < limit && (kind === 'claim-queued' || waiting === 0);
}

const USED: Readonly<Record<QuotaRequest['kind'], number>> = { claim: 1, 'claim-queued': 1, queue: 0, unqueue: 0, release: -1 };
const WAITING: Readonly<Record<QuotaRequest['kind'], number>> = { claim: 0, 'claim-queued': -1, queue: 1, unqueue: -1, release: 0 };

function apply(counts: ReadonlyMap<string, Count>, { key, kind }: QuotaRequest): void {
  const count = counts.get(key);
  if (count === undefined) return;
  count.used += USED[kind];
  count.waiting += WAITING[kind];
}
