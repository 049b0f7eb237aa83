import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, type CommandEnvelope } from '@taskmaster/contracts';
import { freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import { meetAt, streamRow } from './testing/meeting.js';
import { completeWith, envelope, MERGED, openReplica, start, streamFor, validated, type Replica } from './testing/replica.js';
import { verifyLog } from './verify-log.js';

let database: FreshDatabase;
let one: Replica;
let two: Replica;

beforeEach(async () => {
  database = await freshDatabase();
  [one, two] = await Promise.all([openReplica(database.url), openReplica(database.url)]);
  await validated(one, 'w', true);
  expect((await typesOf()).at(-1)).toBe('StepReadied');
});

afterEach(async () => {
  const report = await verifyLog({ pools: one.pools, tenantId: DEFAULT_TENANT, slotsMax: 100 });
  await Promise.all([one.close(), two.close()]);
  await database.drop();
  expect(report.invariants.flatMap(({ violations }) => violations)).toEqual([]);
});

const typesOf = async (): Promise<readonly string[]> => (await one.store.readStream(streamFor('w'), 0)).map(({ type }) => type);
const cancel = (key = 'cancel'): CommandEnvelope => envelope({ type: 'CancelWorkflow', data: { reason: 'enough' } }, streamFor('w'), key);
const startMerge = start('w', 'tm-merge-1');
const merged = completeWith('w', 'tm-merge-1', MERGED);

async function expectMerged(): Promise<void> {
  expect(await two.handler.handle(merged)).toMatchObject({ outcome: 'accepted' });
  const types = await typesOf();
  expect(types.slice(-1)).toEqual(['WorkflowEnded']);
  expect(types).toContain('PullRequestMerged');
  expect(types).not.toContain('WorkflowCancellationRequested');
}

async function expectCancelled(): Promise<void> {
  // Whoever wanted to merge learns it before it touches the target; what it reports nevertheless is not believed.
  expect(await two.handler.handle(merged)).toMatchObject({ outcome: 'noop' });
  await one.handler.handle(start('w', 'tm-discard-0'));
  await one.handler.handle(completeWith('w', 'tm-discard-0', { leftovers: [] }));
  const types = await typesOf();
  expect(types.slice(-1)).toEqual(['WorkflowEnded']);
  expect(types).not.toContain('PullRequestMerged');
}

describe('cancelling a workflow whose change is about to be merged', () => {
  it('succeeds before the merge has started, and the merge then never starts', async () => {
    expect(await one.handler.handle(cancel())).toMatchObject({ outcome: 'accepted' });
    expect(await two.handler.handle(startMerge)).toMatchObject({ outcome: 'noop' });
    await expectCancelled();
  });

  it('is refused once the merge has started, and stays refused under the same key', async () => {
    expect(await two.handler.handle(startMerge)).toMatchObject({ outcome: 'accepted' });
    const refusal = { outcome: 'rejected', code: 'workflow-merging' };
    expect(await one.handler.handle(cancel())).toMatchObject(refusal);
    await expectMerged();
    expect(await two.handler.handle(cancel())).toMatchObject({ outcome: 'duplicate', first: refusal });
  });

  it('wins over a merge that starts at the same moment when it is recorded first', async () => {
    const answers = await meetAt(database.url, streamRow(streamFor('w')), [
      () => one.handler.handle(cancel()),
      () => two.handler.handle(startMerge),
    ]);
    expect(answers).toMatchObject([{ outcome: 'accepted' }, { outcome: 'noop' }]);
    await expectCancelled();
  });

  it('loses against a merge that starts at the same moment when that is recorded first', async () => {
    const answers = await meetAt(database.url, streamRow(streamFor('w')), [
      () => two.handler.handle(startMerge),
      () => one.handler.handle(cancel()),
    ]);
    expect(answers).toMatchObject([{ outcome: 'accepted' }, { outcome: 'rejected', code: 'workflow-merging' }]);
    await expectMerged();
  });
});
