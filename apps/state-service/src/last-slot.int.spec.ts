import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, type CommandEnvelope } from '@taskmaster/contracts';
import { tenantQuotaKey } from '@taskmaster/event-log';
import { eventually, freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import { AdmissionReactor } from './admission.reactor.js';
import { meetAt, quotaRow } from './testing/meeting.js';
import { complete, envelope, noop, openReplica, request, streamFor, validated, type Replica } from './testing/replica.js';
import { verifyLog } from './verify-log.js';

const SLOTS = 1;
let database: FreshDatabase;
let one: Replica;
let two: Replica;

/** A replica that admits whoever is next when it frees a slot, as state-service is wired. */
async function openAdmitting(): Promise<Replica> {
  const replica: Replica = await openReplica(database.url, { slotsMax: SLOTS, onQuotas: (quotas) => admission.onQuotas(quotas) });
  const admission: AdmissionReactor = new AdmissionReactor({
    openWork: replica.openWork,
    slotsMax: SLOTS,
    send: (command) => replica.handler.handle(command),
    onFault: (error) => {
      throw error;
    },
  });
  return replica;
}

beforeEach(async () => {
  database = await freshDatabase();
  [one, two] = await Promise.all([openAdmitting(), openAdmitting()]);
});

afterEach(async () => {
  const report = await verifyLog({ pools: one.pools, tenantId: DEFAULT_TENANT, slotsMax: SLOTS });
  await Promise.all([one.close(), two.close()]);
  await database.drop();
  expect(report.invariants.flatMap(({ violations }) => violations)).toEqual([]);
});

const typesOf = async (name: string): Promise<readonly string[]> =>
  (await one.store.readStream(streamFor(name), 0)).map(({ type }) => type);
const isAdmitted = async (name: string): Promise<boolean> => (await typesOf(name)).includes('WorkflowAdmitted');
const small = (name: string): CommandEnvelope => request(name, [noop('a')]);

describe('the last slot', () => {
  it('is taken by one of two workflows that two replicas start at once, and the other waits for it', async () => {
    await one.handler.handle(small('before'));
    await one.handler.handle(complete('before', 'a'));
    await two.handler.handle(small('again'));
    await two.handler.handle(complete('again', 'a'));
    const answers = await meetAt(database.url, quotaRow(tenantQuotaKey(DEFAULT_TENANT)), [
      () => one.handler.handle(small('x')),
      () => two.handler.handle(small('y')),
    ]);
    expect(answers).toMatchObject([{ outcome: 'accepted' }, { outcome: 'accepted' }]);
    expect([await isAdmitted('x'), await isAdmitted('y')]).toEqual([true, false]);
    await one.handler.handle(complete('x', 'a'));
    await eventually(() => isAdmitted('y'), { what: 'the admission of the other' });
  });

  it('is given back by a workflow that waits for a person, and is not taken from its next owner when the person answers', async () => {
    await validated(one, 'asking', false);
    await two.handler.handle(small('next'));
    await eventually(() => isAdmitted('next'), { what: 'the admission of the next' });
    const raised = (await one.store.readStream(streamFor('asking'), 0)).find(({ type }) => type === 'EscalationRaised');
    const { escalationId } = JSON.parse(raised?.dataText ?? '{}') as { escalationId: string };
    const resolve = { type: 'ResolveEscalation', data: { escalationId, decision: 'retry', note: 'again' } } as const;
    expect(await two.handler.handle(envelope(resolve, streamFor('asking'), 'resolve'))).toMatchObject({ outcome: 'accepted' });
    const admissions = async (): Promise<number> => (await typesOf('asking')).filter((type) => type === 'WorkflowAdmitted').length;
    expect(await admissions()).toBe(1);
    await two.handler.handle(complete('next', 'a'));
    await eventually(async () => (await admissions()) === 2, { what: 'its return' });
  });
});
