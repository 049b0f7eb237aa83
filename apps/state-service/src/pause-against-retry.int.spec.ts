import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, type CommandEnvelope, type StepId } from '@taskmaster/contracts';
import { freshDatabase, type FreshDatabase, eventually } from '@taskmaster/testing';
import { Sweeper } from './sweeper.js';
import { meetAt, streamRow } from './testing/meeting.js';
import { completeWith, envelope, noop, openReplica, reported, request, start, streamFor, type Replica } from './testing/replica.js';
import { verifyLog } from './verify-log.js';

let database: FreshDatabase;
let one: Replica;
let two: Replica;
let sweeper: Sweeper;
let republished: number;

beforeEach(async () => {
  database = await freshDatabase();
  [one, two] = await Promise.all([openReplica(database.url), openReplica(database.url)]);
  republished = 0;
  sweeper = new Sweeper({
    openWork: one.openWork,
    send: (command) => one.handler.handle(command),
    children: () => Promise.resolve(),
    publishes: () => true,
    republish: (notices) => {
      republished += notices.length;
      return Promise.resolve(true);
    },
  });
  const retry = { maxAttempts: 3, initialIntervalMs: 20, multiplier: 1, maxIntervalMs: 20, jitter: 0 };
  await one.handler.handle(request('w', [{ ...noop('a'), input: { command: ['true'] }, retry }]));
  await one.handler.handle(start('w', 'a'));
  const error = { type: 'network' as const, message: 'unreachable', retryable: true };
  const failure = reported('w', '1', { type: 'FailStep', data: { stepId: 'a' as StepId, attempt: 1, by: 'worker', error } });
  expect(await one.handler.handle(failure)).toMatchObject({ outcome: 'accepted' });
});

afterEach(async () => {
  const report = await verifyLog({ pools: one.pools, tenantId: DEFAULT_TENANT, slotsMax: 100 });
  await Promise.all([one.close(), two.close()]);
  await database.drop();
  expect(report.invariants.flatMap(({ violations }) => violations)).toEqual([]);
});

const typesOf = async (): Promise<readonly string[]> => (await one.store.readStream(streamFor('w'), 0)).map(({ type }) => type);
const count = async (type: string): Promise<number> => (await typesOf()).filter((one) => one === type).length;
const pause: CommandEnvelope = envelope({ type: 'PauseWorkflow', data: { reason: 'lunch' } }, streamFor('w'), 'pause');
const resume: CommandEnvelope = envelope({ type: 'ResumeWorkflow', data: { reason: 'back' } }, streamFor('w'), 'resume');
const retry: CommandEnvelope = reported('w', '2', { type: 'RetryStep', data: { stepId: 'a' as StepId, attempt: 2 } });

const isDue = async (): Promise<boolean> => {
  const { rows } = await one.pools.write.query<{ due: boolean }>('select due_at <= clock_timestamp() as due from step');
  return rows[0]?.due === true;
};

/** Both decide that the retry is due and that nothing is paused; the first of them is recorded first. */
async function atOnce(first: CommandEnvelope, second: CommandEnvelope): Promise<readonly unknown[]> {
  await eventually(isDue, { what: 'the retry' });
  return meetAt(database.url, streamRow(streamFor('w')), [() => one.handler.handle(first), () => two.handler.handle(second)]);
}

async function expectFinished(): Promise<void> {
  expect(await one.handler.handle(start('w', 'a', { attempt: 2 }))).toMatchObject({ outcome: 'accepted' });
  expect(await two.handler.handle(start('w', 'a', { attempt: 2 }))).toMatchObject({ outcome: 'duplicate' });
  await one.handler.handle(completeWith('w', 'a', {}, { attempt: 2 }));
  expect(await count('StepStarted')).toBe(2);
  expect((await typesOf()).at(-1)).toBe('WorkflowEnded');
}

describe('pausing a workflow while a retry is due', () => {
  it('stops its timer when it is recorded first; resuming starts it again, and the step is readied once', async () => {
    expect(await atOnce(pause, retry)).toMatchObject([{ outcome: 'accepted' }, { outcome: 'noop' }]);
    expect(await sweeper.steps()).toBe(0);
    expect(await count('StepReadied')).toBe(1);
    await two.handler.handle(resume);
    await eventually(async () => {
      await sweeper.steps();
      return (await count('StepReadied')) === 2;
    });
    await sweeper.steps();
    expect(await count('StepReadied')).toBe(2);
    await expectFinished();
  });

  it('holds the readied step back when the retry is recorded first; resuming tells of it again, and it starts once', async () => {
    expect(await atOnce(retry, pause)).toMatchObject([{ outcome: 'accepted' }, { outcome: 'accepted' }]);
    expect(await one.handler.handle(start('w', 'a', { attempt: 2, holder: 'early' }))).toMatchObject({ outcome: 'noop' });
    expect(await sweeper.steps()).toBe(0);
    expect(republished).toBe(0);
    await two.handler.handle(resume);
    expect((await typesOf()).slice(-2)).toEqual(['WorkflowAdmitted', 'StepReadied']);
    await expectFinished();
  });
});
