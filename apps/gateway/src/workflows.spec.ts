import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, startGateway, type GatewayUnderTest } from './testing/gateway-under-test.js';

const noop = (id: string, ...dependsOn: string[]): object => ({ id, kind: 'command.run', input: { builtin: 'noop' }, dependsOn });
const FIVE = { plan: { steps: [noop('a'), noop('b', 'a'), noop('c', 'a'), noop('d', 'a'), noop('e', 'b', 'c', 'd')] } };

let under: GatewayUnderTest;
const json = async (response: Response): Promise<Record<string, unknown>> => (await response.json()) as Record<string, unknown>;
const execute = (body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  call(`${under.url}/api/workflows/execute`, { method: 'POST', body, headers });

beforeAll(async () => {
  under = await startGateway();
});
afterAll(async () => {
  await under.gateway.close();
});

describe('executing a workflow', () => {
  it('answers 202 with a location and links', async () => {
    const response = await execute(FIVE);
    const body = await json(response);
    expect(response.status).toBe(202);
    expect(response.headers.get('location')).toBe(`/api/workflows/${String(body['id'])}`);
    expect(body).toMatchObject({ status: 'accepted', links: { self: response.headers.get('location') } });
  });

  it('says where the log keeps what was accepted, also to whoever waits and whoever asks again', async () => {
    const headers = { 'idempotency-key': 'order-6' };
    const { version, position } = await json(await execute(FIVE, headers));
    expect(version).toEqual(expect.any(Number));
    expect(under.platform.events.find((event) => event.position === position)).toMatchObject({ version });
    expect(await json(await execute(FIVE, headers))).toMatchObject({ version, position });
    expect(await json(await execute(FIVE, { ...headers, prefer: 'wait=10' }))).toMatchObject({ accepted: { version, position } });
  });

  it('answers 200 with the finished workflow when the client prefers to wait', async () => {
    const response = await execute(FIVE, { prefer: 'wait=10' });
    expect(response.status).toBe(200);
    expect(await json(response)).toMatchObject({ status: 'completed', outcome: 'completed', progress: 100 });
  });

  it('answers with the outcome only when the client prefers a minimal return', async () => {
    const response = await execute(FIVE, { prefer: 'wait=10, return=minimal' });
    expect(response.headers.get('preference-applied')).toBe('wait=10, return=minimal');
    expect(Object.keys(await json(response))).toEqual(['id', 'status', 'outcome', 'reason', 'workflowId', 'accepted', 'links']);
  });

  it('finds the end by looking when the feed loses it', async () => {
    under.platform.muted = true;
    const response = await execute(FIVE, { prefer: 'wait=10' });
    under.platform.muted = false;
    expect(response.status).toBe(200);
  });

  it('answers 202 when the time to wait runs out first', async () => {
    const { work } = under.platform;
    under.platform.work = null;
    const response = await execute(FIVE, { prefer: 'wait=1' });
    under.platform.work = work;
    expect(response.status).toBe(202);
  });

  it('replays the same key and body with the same id and refuses another body', async () => {
    const headers = { 'idempotency-key': 'order-7' };
    const first = await json(await execute(FIVE, headers));
    const head = under.platform.head;
    const again = await execute(FIVE, headers);
    expect((await json(again))['id']).toBe(first['id']);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    const other = await execute({ ...FIVE, title: 'another' }, headers);
    expect(other.status).toBe(422);
    expect(await json(other)).toMatchObject({ code: 'command-reused' });
    expect(under.platform.events.slice(head).filter((event) => event.type === 'WorkflowRequested')).toHaveLength(0);
  });

  it('takes a requirement with the cicd profile by default', async () => {
    const { id } = await json(await execute({ requirement: 'Add a health endpoint', repository: { url: '/srv/repo.git' } }));
    expect(await json(await call(`${under.url}/api/workflows/${String(id)}`))).toMatchObject({
      profile: 'cicd',
      requirement: 'Add a health endpoint',
      repository: { branch: 'main', forge: 'local' },
    });
  });
});

describe('looking at a workflow', () => {
  it('gives an entity tag and answers 304 to whoever has that version', async () => {
    const { id } = await json(await execute(FIVE, { prefer: 'wait=10' }));
    const first = await call(`${under.url}/api/workflows/${String(id)}`);
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"\d+"$/);
    expect((await call(`${under.url}/api/workflows/${String(id)}`, { headers: { 'if-none-match': etag } })).status).toBe(304);
  });

  it('lists page by page, with a link to the next page', async () => {
    const response = await call(`${under.url}/api/workflows?limit=1`);
    const page = await json(response);
    expect(page['items']).toHaveLength(1);
    expect(response.headers.get('link')).toContain(`cursor=${String(page['nextCursor'])}`);
  });

  it('tells the history with its metrics', async () => {
    const { id } = await json(await execute(FIVE, { prefer: 'wait=10' }));
    expect(await json(await call(`${under.url}/api/workflows/${String(id)}/history`))).toMatchObject({
      metrics: { total_transitions: expect.any(Number) },
    });
  });
});

describe('steering a workflow', () => {
  it('answers an escalation that nobody raised with a problem, and refuses a decision that is none', async () => {
    const { work } = under.platform;
    under.platform.work = null;
    const { id } = await json(await execute(FIVE));
    const at = `${under.url}/api/workflows/${String(id)}/escalation`;
    const unasked = await call(at, { method: 'PUT', body: { decision: 'retry' } });
    expect({ status: unasked.status, body: await json(unasked) }).toMatchObject({ status: 404, body: { code: 'escalation-not-found' } });
    expect((await call(at, { method: 'PUT', body: { decision: 'perhaps' } })).status).toBe(400);
    under.platform.work = work;
  });

  it('pauses, resumes and cancels, and takes an empty JSON body', async () => {
    const { work } = under.platform;
    under.platform.work = null;
    const { id } = await json(await execute(FIVE));
    const at = `${under.url}/api/workflows/${String(id)}`;
    const empty = { raw: '', headers: { 'content-type': 'application/json' } };
    expect((await call(`${at}/pause`, { method: 'PUT', ...empty })).status).toBe(200);
    expect(await json(await call(at))).toMatchObject({ status: 'paused' });
    const twice = await call(`${at}/pause`, { method: 'PUT' });
    expect(twice.status).toBe(409);
    expect(await json(twice)).toMatchObject({ code: 'workflow-paused', allowedTransitions: expect.any(Array) });
    expect((await call(`${at}/resume`, { method: 'PUT', body: { reason: 'lunch is over' } })).status).toBe(200);
    expect((await call(at, { method: 'DELETE', ...empty })).status).toBe(202);
    under.platform.work = work;
    expect(await json(await call(at))).toMatchObject({ status: 'cancelled' });
    expect((await call(at, { method: 'DELETE' })).status).toBe(409);
  });
});
