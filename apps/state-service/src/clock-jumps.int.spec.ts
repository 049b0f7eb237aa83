import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, timestampOf, type StepId } from '@taskmaster/contracts';
import { eventually, freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import { Sweeper } from './sweeper.js';
import { complete, completeWith, noop, openReplica, reported, request, start, type Replica } from './testing/replica.js';
import { verifyLog } from './verify-log.js';

const HOUR_MS = 3_600_000;
let database: FreshDatabase;
let offsetMs: number;
let replica: Replica;

beforeEach(async () => {
  database = await freshDatabase();
  offsetMs = 0;
  replica = await openReplica(database.url, { clock: () => timestampOf(Date.now() + offsetMs) });
});

afterEach(async () => {
  const report = await verifyLog({ pools: replica.pools, tenantId: DEFAULT_TENANT, slotsMax: 100 });
  await replica.close();
  await database.drop();
  expect(report.invariants.flatMap(({ violations }) => violations)).toEqual([]);
});

describe('a clock that jumps', () => {
  it('forth and back never changes the order: positions are dense, the chain verifies, what is recorded is monotone', async () => {
    await replica.handler.handle(request('w'));
    for (const [step, jumpMs] of [
      ['a', HOUR_MS],
      ['b', -HOUR_MS],
      ['c', 2 * HOUR_MS],
      ['d', -2 * HOUR_MS],
      ['e', 0],
    ] as const) {
      offsetMs = jumpMs;
      expect(await replica.handler.handle(complete('w', step))).toMatchObject({ outcome: 'accepted' });
    }
    const events = await replica.store.readAll(0, 100);
    expect(events.at(-1)?.type).toBe('WorkflowEnded');
    expect(events.map(({ position }) => position)).toEqual(events.map((_event, i) => i + 1));
    const recorded = events.map(({ recordedAt }) => recordedAt);
    expect(recorded).toEqual([...recorded].sort());
    const occurred = events.map(({ occurredAt }) => occurredAt);
    expect(occurred).not.toEqual([...occurred].sort());
  });

  it('back asks for a retry again until the clock agrees that it is due, and readies it once', async () => {
    const retry = { maxAttempts: 3, initialIntervalMs: 20, multiplier: 1, maxIntervalMs: 20, jitter: 0 };
    await replica.handler.handle(request('w', [{ ...noop('a'), input: { command: ['true'] }, retry }]));
    await replica.handler.handle(start('w', 'a'));
    const error = { type: 'network' as const, message: 'unreachable', retryable: true };
    await replica.handler.handle(
      reported('w', '1', { type: 'FailStep', data: { stepId: 'a' as StepId, attempt: 1, by: 'worker', error } }),
    );
    const outcomes: string[] = [];
    const sweeper = new Sweeper({
      openWork: replica.openWork,
      send: async (command) => outcomes.push((await replica.handler.handle(command)).outcome),
      children: () => Promise.resolve(),
      publishes: () => false,
      republish: () => Promise.resolve(false),
    });
    offsetMs = -HOUR_MS;
    await eventually(async () => {
      await sweeper.steps();
      return outcomes.length > 0;
    });
    expect(new Set(outcomes)).toEqual(new Set(['later']));
    offsetMs = 0;
    await eventually(async () => {
      await sweeper.steps();
      return outcomes.includes('accepted');
    });
    expect(await replica.handler.handle(start('w', 'a', { attempt: 2 }))).toMatchObject({ outcome: 'accepted' });
    expect(await replica.handler.handle(completeWith('w', 'a', {}, { attempt: 2 }))).toMatchObject({ outcome: 'accepted' });
  });
});
