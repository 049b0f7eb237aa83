import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT, type Command, type LeaseRenewal, type StepId, type TenantId } from '@taskmaster/contracts';
import { SWEEP_ROWS_MAX } from '@taskmaster/event-log';
import { eventually, freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import { foldInto, absentEntry } from './entry.js';
import { REDUCER_VERSION, SNAPSHOT_EVERY, StreamLoader } from './stream-loader.js';
import { Sweeper } from './sweeper.js';
import { complete, envelope, noop, openReplica, planRequest, request, streamFor, type Replica } from './testing/replica.js';
import { verifyLog } from './verify-log.js';

let database: FreshDatabase;
let replica: Replica;
let republished: string[];
let publishes: boolean;
let sweeper: Sweeper;

beforeEach(async () => {
  database = await freshDatabase();
  replica = await openReplica(database.url);
  republished = [];
  publishes = true;
  sweeper = new Sweeper({
    openWork: replica.openWork,
    send: (command) => replica.handler.handle(command),
    children: () => Promise.resolve(),
    publishes: () => publishes,
    republish: (notices) => {
      if (!publishes) return Promise.resolve(false);
      republished.push(...notices.map(({ stepId, attempt }) => `${stepId} ${String(attempt)}`));
      return Promise.resolve(true);
    },
  });
});

afterEach(async () => {
  await replica.close();
  await database.drop();
});

let sent = 0;
const send = (command: Command): Promise<unknown> => {
  sent += 1;
  return replica.handler.handle(envelope(command, streamFor('w'), `command ${String(sent)}`));
};
const start = (attempt: number, leaseMs: number, holder = 'h'): Promise<unknown> =>
  send({ type: 'StartStep', data: { stepId: 'a' as StepId, attempt, holder, leaseMs } });

const work = (retry: object = {}, timeoutMs = 60_000) => ({
  ...noop('a'),
  input: { command: ['true'] },
  timeoutMs,
  retry: { maxAttempts: 3, initialIntervalMs: 50, multiplier: 1, maxIntervalMs: 100, jitter: 0, ...retry },
});

/** Types of the step's events, with their attempt; sweeps until the log holds as many as that. */
async function sweptUntil(length: number): Promise<readonly string[]> {
  return eventually(
    async () => {
      await sweeper.steps();
      const events = (await replica.store.readStream(streamFor('w'), 0)).filter(({ type }) => type.startsWith('Step'));
      const told = events.map(({ type, dataText }) => `${type} ${String((JSON.parse(dataText) as { attempt: number }).attempt)}`);
      return told.length >= length ? told : undefined;
    },
    { what: `${String(length)} events of the step` },
  );
}

const asOwner = async (text: string): Promise<void> => {
  const client = await replica.pools.write.connect();
  await client.query('set role none');
  await client.query(text);
  client.release(true);
};

describe('a sweep', () => {
  it('finds an attempt whose lease ran out, and has it tried again at once, uncounted', async () => {
    await replica.handler.handle(request('w', [work({ maxAttempts: 1 })]));
    await start(1, 30);
    const lost = ['StepReadied 1', 'StepStarted 1', 'StepFailed 1', 'StepRetryScheduled 2', 'StepReadied 2'];
    expect(await sweptUntil(5)).toEqual(lost);
    expect(await start(1, 30)).toMatchObject({ outcome: 'noop' });
    await start(2, 60_000);
    await sweeper.steps();
    expect(await sweptUntil(6)).toEqual([...lost, 'StepStarted 2']);
  });

  it('leaves an attempt alone as long as its holder renews', async () => {
    await replica.handler.handle(request('w', [work()]));
    await start(1, 40);
    const renewal = renewalOf();
    const end = performance.now() + 300;
    await eventually(
      async () => {
        expect(await replica.openWork.renewLeases([renewal])).toEqual(['renewed']);
        await sweeper.steps();
        return performance.now() > end;
      },
      { what: 'some renewals' },
    );
    expect(await sweptUntil(2)).toEqual(['StepReadied 1', 'StepStarted 1']);
  });

  it('ends an attempt at its deadline, however faithfully its lease is renewed', async () => {
    await replica.handler.handle(request('w', [work({ maxAttempts: 1 }, 1_000)]));
    await start(1, 60_000);
    await replica.openWork.renewLeases([renewalOf({ leaseMs: 600_000 })]);
    expect(await sweptUntil(3)).toEqual(['StepReadied 1', 'StepStarted 1', 'StepFailed 1']);
  });

  it('readies a failed attempt again when its time has come, and no sooner', async () => {
    await replica.handler.handle(request('w', [work({ initialIntervalMs: 100 })]));
    await start(1, 60_000);
    const error = { type: 'network' as const, message: 'no', retryable: true };
    await send({ type: 'FailStep', data: { stepId: 'a' as StepId, attempt: 1, by: 'h', error } });
    const early = await replica.handler.handle(
      envelope({ type: 'RetryStep', data: { stepId: 'a' as StepId, attempt: 2 } }, streamFor('w'), 'early'),
    );
    expect(early).toMatchObject({ outcome: 'later' });
    expect((await sweptUntil(5)).at(-1)).toBe('StepReadied 2');
    const events = await replica.store.readStream(streamFor('w'), 0);
    const scheduled = JSON.parse(events.find(({ type }) => type === 'StepRetryScheduled')?.dataText ?? '{}') as { retryAt: string };
    expect(events.at(-1)?.occurredAt.localeCompare(scheduled.retryAt)).toBeGreaterThanOrEqual(0);
  });

  it('publishes work again that nobody answered, and then waits before it does so once more', async () => {
    await replica.handler.handle(request('w', [work()]));
    await asOwner("update step set due_at = clock_timestamp() - interval '1 second'");
    expect(await sweeper.steps()).toBe(1);
    expect(await sweeper.steps()).toBe(0);
    expect(republished).toEqual(['a 1']);
  });

  it('leaves work that cannot be published due, and is not kept from other timers by any amount of it', async () => {
    const many = Array.from({ length: 100 }, (_, i) => noop(`s${String(i)}`));
    const { options } = planRequest([]);
    for (let i = 0; i < 6; i += 1) {
      await replica.handler.handle(request(`n${String(i)}`, many, { options: { ...options, maxConcurrentSteps: 100 } }));
    }
    await asOwner("update step set due_at = clock_timestamp() - interval '1 hour'");
    await replica.handler.handle(request('w', [work()]));
    await start(1, 1);
    publishes = false;
    expect((await sweptUntil(5)).slice(2)).toEqual(['StepFailed 1', 'StepRetryScheduled 2', 'StepReadied 2']);
    publishes = true;
    expect(await sweeper.steps()).toBe(SWEEP_ROWS_MAX);
    expect(republished).toHaveLength(SWEEP_ROWS_MAX);
  }, 30_000);
});

const renewalOf = (more: Partial<LeaseRenewal> = {}): LeaseRenewal => ({
  tenantId: DEFAULT_TENANT,
  workflowId: streamFor('w').slice('workflow-'.length),
  stepId: 'a' as StepId,
  attempt: 1,
  holder: 'h',
  leaseMs: 60_000,
  ...more,
});

describe('renewing leases', () => {
  it('answers each holder in order whether it still has its attempt', async () => {
    await replica.handler.handle(request('w', [work()]));
    await start(1, 60_000);
    const others: readonly Partial<LeaseRenewal>[] = [
      { holder: 'other' },
      { attempt: 2 },
      { stepId: 'b' as StepId },
      { tenantId: 'other' as TenantId },
      { workflowId: 'wf_unknown' },
    ];
    const renewals = [renewalOf(), ...others.map(renewalOf), renewalOf()];
    expect(await replica.openWork.renewLeases(renewals)).toEqual(['renewed', 'lost', 'lost', 'lost', 'lost', 'lost', 'renewed']);
    await send({ type: 'CancelWorkflow', data: { reason: 'spec' } });
    expect(await replica.openWork.renewLeases([renewalOf()])).toEqual(['lost']);
  });

  it('does not wait for an append that has the row, and does not take its lease for lost', async () => {
    await replica.handler.handle(request('w', [work()]));
    await start(1, 60_000);
    const append = await replica.pools.write.connect();
    await append.query('set role none');
    await append.query('begin');
    await append.query('select 1 from step for update');
    expect(await replica.openWork.renewLeases([renewalOf()])).toEqual(['renewed']);
    await append.query('rollback');
    append.release(true);
  });
});

describe('a snapshot', () => {
  const steps = Array.from({ length: 110 }, (_, i) => noop(`s${String(i)}`, ...(i === 0 ? [] : [`s${String(i - 1)}`])));

  it('with the events after it folds to the same state as all events, and spares reading those before it', async () => {
    await replica.handler.handle(request('w', steps));
    for (let i = 0; i < 105; i += 1) await replica.handler.handle(complete('w', `s${String(i)}`));
    const stream = streamFor('w');
    const { store } = replica;
    const all = await store.readStream(stream, 0);
    expect(all.length).toBeGreaterThan(SNAPSHOT_EVERY + 5);
    const [snapshot] = await eventually(async () => {
      const found = await store.readSnapshots([stream], REDUCER_VERSION);
      return found.length > 0 ? found : undefined;
    });
    expect(snapshot?.version).toBeGreaterThanOrEqual(SNAPSHOT_EVERY);
    const asked: number[] = [];
    const loader = new StreamLoader(
      Object.assign(Object.create(store) as typeof store, {
        readStreams: (wanted: Parameters<typeof store.readStreams>[0]) => {
          asked.push(...wanted.map(({ after }) => after));
          return store.readStreams(wanted);
        },
      }),
    );
    const loaded = (await loader.refresh([stream])).get(stream);
    expect(asked).toEqual([snapshot?.version]);
    expect(loaded).toEqual(foldInto(absentEntry(stream), all));
    // Whoever loads it that way can go on with it.
    const next = await openReplica(database.url);
    for (let i = 105; i < 110; i += 1)
      expect(await next.handler.handle(complete('w', `s${String(i)}`))).toMatchObject({ outcome: 'accepted' });
    await next.close();
    const report = await verifyLog({ pools: replica.pools, tenantId: DEFAULT_TENANT, slotsMax: 100 });
    expect(report.invariants.flatMap(({ violations }) => violations)).toEqual([]);
  }, 30_000);

  it('of another reducer is not read', async () => {
    await replica.handler.handle(request('w'));
    const stream = streamFor('w');
    const [event] = await replica.store.readStream(stream, 0);
    const hash = event?.hash ?? '';
    await replica.store.writeSnapshot({ stream, tenantId: DEFAULT_TENANT, version: 1, hash, stateText: '{"status":"planted"}' }, 0);
    const entry = (await new StreamLoader(replica.store).refresh([stream])).get(stream);
    expect(entry?.state).toMatchObject({ status: 'active' });
  });
});

describe('verifying the log', () => {
  const found = async (): Promise<readonly string[]> => {
    const report = await verifyLog({ pools: replica.pools, tenantId: DEFAULT_TENANT, slotsMax: 100 });
    return report.invariants.flatMap(({ violations }) => violations);
  };

  it.each([
    ['I5', /state of the row differs/, "update workflow set state = 'completed'"],
    ['I5', /progress of the row differs/, 'update workflow set progress = 99'],
    ['I5', /due_at of the row differs/, "update workflow set due_at = due_at + interval '1 hour'"],
    ['I5', /at version 2/, 'update workflow set version = 2'],
    ['I5', /row of step a differs/, "update step set status = 'succeeded' where step_id = 'a'"],
    ['I5', /row of step a differs/, "update step set holder = 'nobody' where step_id = 'a'"],
    ['I5', /step rows, its fold/, "delete from step where step_id = 'a'"],
    ['I5', /not at its last event/, 'update stream set version = version + 1'],
    ['I5', /not at its last event/, "update stream set hash = sha256('another')"],
    ['I8', /have no deadline/, "update step set due_at = null where step_id = 'a'"],
    ['I8', / a is late by/, "update step set due_at = clock_timestamp() - interval '1 hour' where step_id = 'a'"],
  ])('finds a planted error of %s in the rows: %s', async (invariant, what, planted) => {
    await replica.handler.handle(request('w'));
    expect(await found()).toEqual([]);
    await asOwner(planted);
    const violations = await found();
    expect(violations).toContainEqual(expect.stringMatching(what));
    expect(violations.every((violation) => violation.startsWith(invariant))).toBe(true);
  });

  it('finds a workflow row that was deleted', async () => {
    await replica.handler.handle(request('w'));
    await asOwner('delete from workflow');
    expect(await found()).toEqual([expect.stringMatching(/^I5: .*: has no row$/)]);
  });
});
