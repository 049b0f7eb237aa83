import { describe, expect, it } from '@jest/globals';
import { deriveUuid, type TenantId } from '@taskmaster/contracts';
import { freshDatabase, seededRandom, type SeededRandom } from '@taskmaster/testing';
import { openPools } from '../pools.js';
import type { AppendGroup, AppendOutcome, QuotaRequest } from '../rows.js';
import { group } from '../store.contract.js';
import { PostgresEventStore, type EventStore } from '../store.js';
import { InMemoryDatabase } from './in-memory-database.js';

const KINDS: readonly QuotaRequest['kind'][] = ['claim', 'claim', 'claim-queued', 'queue', 'unqueue', 'release'];
const BATCHES = 150;

/** A group that a confused caller might send: stale versions, used ids, other tenants, quotas without a place. */
function anyGroup(random: SeededRandom, name: string, version: number): AppendGroup {
  const expected = random.chance(0.8) ? version : random.integer(0, version + 1);
  const answers = random.chance(0.4)
    ? [{ commandId: deriveUuid('c', String(random.integer(1, 60))), answer: { outcome: 'accepted', version: expected + 1 } }]
    : [];
  const quotas = random.chance(0.6)
    ? [{ key: random.pick(['tenant:default', 'agent:default:a']), kind: random.pick(KINDS), limit: random.integer(2, 4) }]
    : [];
  const more = random.chance(0.05) ? { tenantId: 'other' as TenantId } : {};
  return group(name, expected, random.integer(0, 2), { answers, quotas, ...more });
}

const comparable = ({ groups, quotas }: AppendOutcome): unknown => ({
  groups: groups.map((outcome) => {
    if (outcome.kind === 'failed') return 'failed';
    // Without events there is neither a first position nor an instant.
    return outcome.kind === 'appended' ? { kind: outcome.kind, hash: outcome.hash } : outcome;
  }),
  quotas: [...quotas].sort((a, b) => (a.key < b.key ? -1 : 1)),
});

const logOf = async (store: EventStore): Promise<readonly unknown[]> =>
  (await store.readAll(0, 10_000)).map(({ recordedAt: _recordedAt, ...event }) => ({ ...event, id: undefined }));

describe('the database in memory', () => {
  it('answers whatever it is sent as Postgres does', async () => {
    const database = await freshDatabase();
    const pools = await openPools({ url: database.url, size: 2, onError: () => undefined });
    const real = new PostgresEventStore(pools);
    const { store: twin } = new InMemoryDatabase(() => Date.now());
    const random = seededRandom(20_261_121);
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const seen = new Map<string, number>();
    for (let batch = 0; batch < BATCHES; batch += 1) {
      const versions = new Map(
        await Promise.all(names.map(async (name) => [name, (await twin.readStream(group(name, 0, 0).stream, 0)).length] as const)),
      );
      const groups = random
        .shuffle(names)
        .slice(0, random.integer(1, 4))
        .map((name) => anyGroup(random, name, versions.get(name) ?? 0));
      const [wanted, found] = [await real.append(groups), await twin.append(groups)];
      expect(comparable(found)).toEqual(comparable(wanted));
      for (const { kind } of wanted.groups) seen.set(kind, (seen.get(kind) ?? 0) + 1);
    }
    expect(await logOf(twin)).toEqual(await logOf(real));
    expect([...seen.keys()].sort()).toEqual(['appended', 'conflict', 'duplicate', 'failed', 'full', 'tenant-mismatch']);
    await pools.close();
    await database.drop();
  });
});
