import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, timestampOf, type CommandEnvelope, type StepId } from '@taskmaster/contracts';
import { freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import type { Answer } from './decide-stream.js';
import { meetAt, streamRow } from './testing/meeting.js';
import { completeWith, noop, openReplica, reported, request, start, streamFor, type Replica } from './testing/replica.js';
import { verifyLog } from './verify-log.js';

let database: FreshDatabase;
let one: Replica;
let two: Replica;

beforeEach(async () => {
  database = await freshDatabase();
  [one, two] = await Promise.all([openReplica(database.url), openReplica(database.url)]);
  const work = { ...noop('a'), input: { command: ['true'] }, retry: { maxAttempts: 1, initialIntervalMs: 1, jitter: 0 } };
  await one.handler.handle(request('w', [work]));
});

afterEach(async () => {
  const report = await verifyLog({ pools: one.pools, tenantId: DEFAULT_TENANT, slotsMax: 100 });
  await Promise.all([one.close(), two.close()]);
  await database.drop();
  expect(report.invariants.flatMap(({ violations }) => violations)).toEqual([]);
});

const told = async (): Promise<readonly string[]> =>
  (await one.store.readStream(streamFor('w'), 0))
    .filter(({ type }) => type.startsWith('Step'))
    .map(({ type, dataText }) => {
      const { attempt, by = '', holder = '' } = JSON.parse(dataText) as { attempt: number; by?: string; holder?: string };
      return `${type} ${String(attempt)} ${by}${holder}`.trim();
    });

const expire = (attempt: number): CommandEnvelope =>
  reported('w', `sweep ${String(attempt)}`, {
    type: 'ExpireStep',
    data: { stepId: 'a' as StepId, attempt, leaseExpiresAt: timestampOf(Date.now() - 1) },
  });

/** Both are decided on the same version; the first of them is recorded first. */
const atOnce = (first: CommandEnvelope, second: CommandEnvelope): Promise<Answer[]> =>
  meetAt(database.url, streamRow(streamFor('w')), [() => one.handler.handle(first), () => two.handler.handle(second)]);

describe('an attempt that two holders ask for', () => {
  it('at two replicas at once has one of them, and the other is told which', async () => {
    const [first, second] = await atOnce(start('w', 'a', { holder: 'h1' }), start('w', 'a', { holder: 'h2' }));
    expect([first, second]).toMatchObject([{ outcome: 'accepted' }, { outcome: 'held', holder: 'h1' }]);
    expect(await told()).toEqual(['StepReadied 1', 'StepStarted 1 h1']);
  });

  it('is reattached to, not started again, by the holder whose first answer was lost', async () => {
    const [first, second] = await atOnce(start('w', 'a', { holder: 'h1' }), start('w', 'a', { holder: 'h1' }));
    expect([first, second]).toMatchObject([{ outcome: 'accepted' }, { outcome: 'duplicate', first: null }]);
    expect(await told()).toEqual(['StepReadied 1', 'StepStarted 1 h1']);
  });

  it('is nobody else’s to settle: what another reports changes nothing', async () => {
    await one.handler.handle(start('w', 'a', { holder: 'h1' }));
    expect(await two.handler.handle(completeWith('w', 'a', {}, { by: 'h2' }))).toMatchObject({ outcome: 'noop' });
    expect(await told()).toEqual(['StepReadied 1', 'StepStarted 1 h1']);
  });
});

describe('an attempt whose lease ran out', () => {
  it('is another holder’s afterwards, and the late result of the first changes nothing', async () => {
    await one.handler.handle(start('w', 'a', { holder: 'h1', leaseMs: 1 }));
    await two.handler.handle(expire(1));
    expect(await two.handler.handle(start('w', 'a', { holder: 'h2', attempt: 2 }))).toMatchObject({ outcome: 'accepted' });
    expect(await one.handler.handle(completeWith('w', 'a', {}, { by: 'h1' }))).toMatchObject({ outcome: 'noop' });
    expect(await one.handler.handle(start('w', 'a', { holder: 'h1' }))).toMatchObject({ outcome: 'noop' });
    const renewal = {
      tenantId: DEFAULT_TENANT,
      workflowId: streamFor('w').slice('workflow-'.length),
      stepId: 'a' as StepId,
      leaseMs: 60_000,
    };
    const asked = [
      { ...renewal, attempt: 1, holder: 'h1' },
      { ...renewal, attempt: 2, holder: 'h2' },
    ];
    expect(await one.openWork.renewLeases(asked)).toEqual(['lost', 'renewed']);
    expect(await one.handler.handle(completeWith('w', 'a', {}, { by: 'h2', attempt: 2 }))).toMatchObject({ outcome: 'accepted' });
    expect((await told()).filter((line) => line.startsWith('StepSucceeded'))).toEqual(['StepSucceeded 2 h2']);
  });

  it('is settled by its result when that is recorded before the loss', async () => {
    await one.handler.handle(start('w', 'a', { holder: 'h1', leaseMs: 1 }));
    const [result, loss] = await atOnce(completeWith('w', 'a', {}, { by: 'h1' }), expire(1));
    expect([result, loss]).toMatchObject([{ outcome: 'accepted' }, { outcome: 'noop' }]);
    expect((await told()).slice(2)).toEqual(['StepSucceeded 1 h1']);
  });

  it('is settled by the loss when that is recorded before its result', async () => {
    await one.handler.handle(start('w', 'a', { holder: 'h1', leaseMs: 1 }));
    const [loss, result] = await atOnce(expire(1), completeWith('w', 'a', {}, { by: 'h1' }));
    expect([loss, result]).toMatchObject([{ outcome: 'accepted' }, { outcome: 'noop' }]);
    expect((await told()).slice(2)).toEqual(['StepFailed 1 lease', 'StepRetryScheduled 2', 'StepReadied 2']);
  });
});
