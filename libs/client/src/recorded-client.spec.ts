import { describe, expect, it } from '@jest/globals';
import { clientCommandId, DEFAULT_TENANT, type RecordedEvent } from '@taskmaster/contracts';
import { checkRecords, ProblemError, recordedClient, verifyWithRecords, type Client, type ClientRecord, type LiveEvent } from './index.js';

/** A platform that has one workflow, answers as told, and shows its log page by page. */
function platform(answers: Partial<Client>): Client {
  const unused = (): never => {
    throw new Error('not asked for here');
  };
  return new Proxy({} as Client, { get: (_target, name) => answers[name as keyof Client] ?? unused, ownKeys: () => [] });
}

const refusal = (code: string): ProblemError =>
  new ProblemError({ type: 'about:blank', title: 'No', status: 409, detail: 'because', code });
const links = { self: '', events: '', history: '', pause: '', resume: '' };

describe('a client that keeps records', () => {
  it('keeps what was accepted, with the key it was sent under', async () => {
    const records: ClientRecord[] = [];
    const sent: unknown[] = [];
    const client = recordedClient(
      platform({
        execute: (_request, options) => {
          sent.push(options?.idempotencyKey);
          return Promise.resolve({ workflowId: 'w', accepted: { version: 4, position: 9 }, links, finished: null });
        },
        pause: (_id, options) => {
          sent.push(options?.idempotencyKey);
          return Promise.resolve({ version: 5, position: 12 });
        },
      }),
      (record) => records.push(record),
    );
    await client.execute({ requirement: 'x' }, { idempotencyKey: 'one' });
    await client.pause('w');
    expect(records).toEqual([
      { kind: 'accepted', key: 'one', stream: 'workflow-w', version: 4, position: 9 },
      { kind: 'accepted', key: sent[1], stream: 'workflow-w', version: 5, position: 12 },
    ]);
  });

  it('keeps a refusal of the rules, and no refusal that passes', async () => {
    const records: ClientRecord[] = [];
    const codes = ['workflow-ended', 'state-unavailable', 'command-reused'];
    const client = recordedClient(platform({ cancel: () => Promise.reject(refusal(codes.shift() ?? '')) }), (record) =>
      records.push(record),
    );
    for (const key of ['a', 'b', 'c']) await expect(client.cancel('w', { idempotencyKey: key })).rejects.toBeInstanceOf(ProblemError);
    expect(records).toEqual([{ kind: 'refused', key: 'a', stream: 'workflow-w', code: 'workflow-ended' }]);
  });

  it('keeps every event it sees, and where it began to look', async () => {
    const events = [7, 8].map((position): LiveEvent => ({
      position,
      stream: 'workflow-w',
      version: position,
      type: 'StepReadied',
      at: '',
      data: {},
    }));
    const records: ClientRecord[] = [];

    const client = recordedClient(
      platform({
        events: async function* () {
          yield* events;
        },
      }),
      (record) => records.push(record),
    );
    const seen: number[] = [];
    for await (const { position } of client.events()) seen.push(position);
    expect(seen).toEqual([7, 8]);
    expect(records.map((record) => (record.kind === 'followed' ? record.after : record.kind))).toEqual([6, 'seen', 'seen']);
  });
});

describe('comparing records with the log', () => {
  const event = (position: number, key: string) =>
    ({
      position,
      version: position,
      stream: 'workflow-w',
      tenantId: DEFAULT_TENANT,
      type: 'StepReadied',
      commandId: clientCommandId(DEFAULT_TENANT, key),
    }) as RecordedEvent;
  const client = platform({
    listEvents: ({ after = 0 } = {}) =>
      Promise.resolve(after === 0 ? { items: [event(1, 'one')], head: 2, nextAfter: 1 } : { items: [event(2, 'two')], head: 2 }),
  });
  const accepted = (key: string, position: number): ClientRecord => ({
    kind: 'accepted',
    key,
    stream: 'workflow-w',
    version: position,
    position,
  });

  it('reads every page', async () => {
    expect(await checkRecords(client, [accepted('one', 1), accepted('two', 2)])).toMatchObject({ number: 4, checked: 2, violations: [] });
  });

  it('finds what is not there', async () => {
    expect((await checkRecords(client, [accepted('three', 3)])).violations).toHaveLength(1);
    expect((await checkRecords(client, [accepted('two', 1)])).violations).toHaveLength(1);
  });

  it('stands among what the platform found itself, in the order of the invariants', async () => {
    const found = [3, 5].map((number) => ({ number, name: '', checked: 1, violations: [] }));
    const verified = platform({
      listEvents: (request) => client.listEvents(request),
      verify: () => Promise.resolve({ head: 2, streams: 1, durationMs: 1, invariants: found }),
    });
    const { invariants } = await verifyWithRecords(verified, [accepted('lost', 9)]);
    expect(invariants.map(({ number, violations }) => [number, violations.length])).toEqual([
      [3, 0],
      [4, 1],
      [5, 0],
    ]);
  });
});
