import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, KEYS, startGateway, type GatewayUnderTest } from './testing/gateway-under-test.js';

const PLAN = {
  plan: {
    steps: [
      { id: 'a', kind: 'command.run', input: { builtin: 'noop' } },
      { id: 'b', kind: 'command.run', input: { builtin: 'noop' }, dependsOn: ['a'] },
    ],
  },
};

interface Sent {
  readonly id: number;
  readonly type: string;
}

let under: GatewayUnderTest;

beforeAll(async () => {
  under = await startGateway();
});
afterAll(async () => {
  await under.gateway.close();
});

const run = async (wait = 'wait=10'): Promise<string> =>
  (
    (await (await call(`${under.url}/api/workflows/execute`, { method: 'POST', body: PLAN, headers: { prefer: wait } })).json()) as {
      id: string;
    }
  ).id;

/** Opens a stream and reads events until `enough` or the server ends it. */
async function read(
  path: string,
  enough: (events: readonly Sent[]) => boolean,
  headers: Record<string, string> = {},
): Promise<{ events: Sent[]; ended: boolean }> {
  const response = await fetch(`${under.url}${path}`, {
    headers: { authorization: `Bearer ${KEYS.viewer}`, accept: 'text/event-stream', ...headers },
  });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const events: Sent[] = [];
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString();
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    events.push(...parts.flatMap(sentIn));
    if (enough(events)) return { events, ended: false };
  }
  return { events, ended: true };
}

/** The event of a block; none for a comment. */
function sentIn(block: string): readonly Sent[] {
  const id = /^id: (\d+)$/m.exec(block)?.[1];
  return id === undefined ? [] : [{ id: Number(id), type: /^event: (\w+)$/m.exec(block)?.[1] ?? '' }];
}

describe('a stream of events', () => {
  it('of a finished workflow sends everything in order and closes after the end', async () => {
    const id = await run();
    const { events, ended } = await read(`/api/workflows/${id}/events`, () => false);
    expect(ended).toBe(true);
    expect(events[0]?.type).toBe('WorkflowRequested');
    expect(events.at(-1)?.type).toBe('WorkflowEnded');
    expect(events.map((event) => event.id)).toEqual([...events.map((event) => event.id)].sort((a, b) => a - b));
  });

  it('resumes after the event that the client saw last', async () => {
    const id = await run();
    const whole = (await read(`/api/workflows/${id}/events`, () => false)).events;
    const seen = whole[2]?.id ?? 0;
    const byHeader = await read(`/api/workflows/${id}/events`, () => false, { 'last-event-id': String(seen) });
    const byQuery = await read(`/api/workflows/${id}/events?after=${String(seen)}`, () => false);
    expect(byHeader.events).toEqual(whole.slice(3));
    expect(byQuery.events).toEqual(whole.slice(3));
  });

  it('of the tenant follows what happens, each event once, also when the feed comes out of order or twice', async () => {
    const following = read('/api/events', (events) => events.filter((event) => event.type === 'WorkflowEnded').length >= 3);
    await until(() => under.gateway.app.getHttpServer().listening && under.platform.asked.includes('ListEvents'));
    const from = under.platform.head;
    await run();
    under.platform.muted = true;
    await run();
    const middle = under.platform.head;
    await run();
    under.platform.muted = false;
    under.platform.announce(middle + 1, under.platform.head);
    under.platform.announce(from + 1, middle);
    under.platform.announce(middle + 1, under.platform.head);
    const { events } = await following;
    expect(events.map((event) => event.id)).toEqual(Array.from({ length: events.length }, (_, index) => from + 1 + index));
  }, 20_000);

  it('hides events about keys from everybody but administrators', async () => {
    const { events } = under.platform;
    const last = events.at(-1);
    if (last === undefined) throw new Error('no events yet');
    events.push({
      ...last,
      position: last.position + 1,
      stream: 'access-default' as never,
      version: 1,
      type: 'ApiKeyIssued',
      data: { keyId: 'k', name: 'n', role: 'viewer', hash: 'h' },
    });
    const page = (await (await call(`${under.url}/api/events?after=${String(last.position)}`, { role: 'viewer' })).json()) as {
      items: unknown[];
    };
    const full = (await (await call(`${under.url}/api/events?after=${String(last.position)}`)).json()) as { items: unknown[] };
    expect([page.items.length, full.items.length]).toEqual([0, 1]);
  });

  it('is a page of records for a client that does not ask for a stream', async () => {
    const id = await run();
    const page = (await (await call(`${under.url}/api/workflows/${id}/events?limit=2`)).json()) as {
      items: { position: number; hash: string }[];
      nextAfter: number;
    };
    expect(page.items).toHaveLength(2);
    expect(page.nextAfter).toBe(page.items[1]?.position);
    expect(page.items[0]?.hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it('refuses a resume point that is none', async () => {
    const id = await run();
    expect(
      (await call(`${under.url}/api/workflows/${id}/events`, { headers: { accept: 'text/event-stream', 'last-event-id': 'x' } })).status,
    ).toBe(400);
  });
});

describe('a requirement', () => {
  it('is parsed by a workflow of one step, whose output is the answer', async () => {
    const { work } = under.platform;
    under.platform.work = ({ kind, input }) => ({ items: [{ title: kind }], metadata: { complexity: 3 }, input });
    const response = await call(`${under.url}/api/requirements/parse`, {
      method: 'POST',
      body: { text: 'Add unit tests', context: { project: 'x' } },
    });
    under.platform.work = work;
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      items: [{ title: 'requirements.parse' }],
      metadata: { complexity: 3 },
      input: { text: 'Add unit tests', context: { project: 'x' } },
    });
  });
});

describe('the platform', () => {
  it('reports its health, its counts for Prometheus and its proof', async () => {
    expect(await (await call(`${under.url}/api/health`, { role: null })).json()).toMatchObject({
      status: 'up',
      components: { database: { status: 'up' } },
    });
    const metrics = await (await call(`${under.url}/api/metrics`)).text();
    expect(metrics).toContain('taskmaster_workflows{status="completed"');
    expect(metrics).toContain('taskmaster_http_request_duration_seconds_count');
    expect(await (await call(`${under.url}/api/audit/verify`, { method: 'POST' })).json()).toMatchObject({
      invariants: [{ number: 1, violations: [] }],
    });
  });

  it('compresses long answers for clients that can read them', async () => {
    const response = await call(`${under.url}/api/events?limit=100`, { headers: { 'accept-encoding': 'gzip' } });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(((await response.json()) as { items: unknown[] }).items.length).toBeGreaterThan(10);
  });
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('it did not become true in time');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
