import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { REJECTION_CODES, ROLES } from '@taskmaster/contracts';
import { admits, ROLE_MATRIX, ruleOf } from './access.js';
import { MEANINGS } from './problem.filter.js';
import { GATEWAY_CODES } from './problem.js';
import { call, startGateway, type GatewayUnderTest } from './testing/gateway-under-test.js';

const noop = (id: string, ...dependsOn: string[]): object => ({ id, kind: 'command.run', input: { builtin: 'noop' }, dependsOn });
const nested = (depth: number): string => `{"requirement":"x","context":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`;

let under: GatewayUnderTest;
let head = 0;
const problem = async (response: Response): Promise<Record<string, unknown>> => {
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  return (await response.json()) as Record<string, unknown>;
};
const refused = async (init: Parameters<typeof call>[1], path = '/api/workflows/execute'): Promise<Record<string, unknown>> => {
  const document = await problem(await call(`${under.url}${path}`, { method: 'POST', ...init }));
  expect(under.platform.head).toBe(head);
  return document;
};

beforeAll(async () => {
  under = await startGateway();
});
beforeEach(() => {
  head = under.platform.head;
});
afterAll(async () => {
  await under.gateway.close();
});

describe('a refused request', () => {
  it('names every unknown field, also deep inside, and appends nothing', async () => {
    const document = await refused({ body: { plan: { steps: [{ ...noop('a'), bogus: 1 }] }, surprise: true } });
    expect(document).toMatchObject({
      status: 400,
      code: 'invalid-request',
      type: 'urn:taskmaster:problem:invalid-request',
      instance: '/api/workflows/execute',
    });
    expect((document['errors'] as { pointer: string }[]).map((error) => error.pointer)).toEqual(
      expect.arrayContaining(['/surprise', '/plan/steps/0/bogus']),
    );
  });

  it.each([
    ['a number for a text', { requirement: 7 }, '/requirement'],
    ['a text for a plan', { plan: 'a, b' }, '/plan'],
    ['a list for a plan', { plan: [] }, '/plan'],
    ['an unknown kind', { plan: { steps: [{ id: 'a', kind: 'magic' }] } }, '/plan/steps/0/kind'],
    ['a repository that git takes for an option', { requirement: 'x', repository: { url: '--upload-pack=id' } }, '/repository/url'],
    ['an empty requirement', { requirement: '' }, '/requirement'],
    ['an unknown priority', { requirement: 'x', priority: 'now' }, '/priority'],
    ['two sources', { requirement: 'x', taskId: '7' }, '/requirement'],
    ['no source', {}, ''],
  ])('points at %s', async (_what, body, pointer) => {
    const document = await refused({ body });
    expect(document).toMatchObject({ status: 400, code: 'invalid-request' });
    expect((document['errors'] as { pointer: string }[]).map((error) => error.pointer)).toContain(pointer);
  });

  it('is told the type first, and no length of what has none', async () => {
    expect(await refused({ body: { requirement: 7 } })).toMatchObject({
      detail: '/requirement: requirement must be a string',
      errors: [{ pointer: '/requirement', detail: 'requirement must be a string' }],
    });
    expect(await refused({ body: { requirement: 'x', options: { maxFixCycles: 'two', timeoutMs: 0 } } })).toMatchObject({
      errors: [
        { pointer: '/options/timeoutMs', detail: 'timeoutMs must not be less than 1' },
        { pointer: '/options/maxFixCycles', detail: 'maxFixCycles must be an integer number' },
      ],
    });
  });

  it('is told the name of a wrong parameter, not a place in a body that it does not have', async () => {
    const wrong = await problem(await call(`${under.url}/api/workflows?limit=0&bogus=1`));
    const errors = wrong['errors'] as { parameter?: string; pointer?: string }[];
    expect(errors.map(({ parameter }) => parameter).sort()).toEqual(['bogus', 'limit']);
    expect(errors.filter(({ pointer }) => pointer !== undefined)).toEqual([]);
    expect(await problem(await call(`${under.url}/api/workflows/-x`))).toMatchObject({ errors: [{ parameter: 'id' }] });
  });

  it.each(['/api/requirements/parse', '/api/audit/verify', '/api/workflows/execute'])(
    'an unknown field is refused by POST %s',
    async (path) => {
      expect(await refused({ body: { text: 'x', requirement: 'x', unknownField: 1 } }, path)).toMatchObject({ status: 400 });
    },
  );

  it.each(['DELETE /api/workflows/wf_1', 'PUT /api/workflows/wf_1/pause', 'PUT /api/workflows/wf_1/resume'])(
    'an unknown field is refused by %s',
    async (route) => {
      const [method = '', path = ''] = route.split(' ');
      expect(await refused({ method, body: { unknownField: 1 } }, path)).toMatchObject({ status: 400, code: 'invalid-request' });
    },
  );

  it('names the steps of a cycle', async () => {
    const document = await refused({ body: { plan: { steps: [noop('a', 'c'), noop('b', 'a'), noop('c', 'b')] } } });
    expect(document).toMatchObject({ status: 422, code: 'plan-cycle' });
    expect(JSON.stringify(document)).toMatch(/a.*b.*c|a.*c.*b/);
  });

  it('names a dependency that does not exist', async () => {
    expect(await refused({ body: { plan: { steps: [noop('a', 'ghost')] } } })).toMatchObject({
      status: 422,
      code: 'plan-unknown-dependency',
      detail: expect.stringContaining('ghost'),
    });
  });

  it.each([
    ['taskId', '123'],
    ['name', 'release'],
  ])('says what is supported where a %s is not yet', async (field, value) => {
    expect(await refused({ body: { [field]: value } })).toMatchObject({
      status: 422,
      code: 'unsupported-source',
      detail: expect.stringContaining('requirement'),
    });
  });

  it('is told when a body nests too deep', async () => {
    expect(await refused({ raw: nested(40) })).toMatchObject({ status: 400, code: 'invalid-request', limit: 32 });
    expect(await refused({ raw: nested(40_000) })).toMatchObject({ status: 400 });
  });

  it('is told when a body holds too many values', async () => {
    expect(await refused({ raw: `{"context":[${'1,'.repeat(30_000)}1]}` })).toMatchObject({ status: 400, limit: 20_000 });
  });

  it.each([
    ['a broken body', '{"requirement":', 400, 'malformed-json'],
    ['a prototype member', '{"requirement":"x","context":{"__proto__":{"admin":true}}}', 400, 'malformed-json'],
    ['an oversize body', JSON.stringify({ requirement: 'x'.repeat(300_000) }), 413, 'body-too-large'],
  ])('is told about %s', async (_what, raw, status, code) => {
    expect(await refused({ raw })).toMatchObject({ status, code });
  });

  it('is told about another media type', async () => {
    expect(await refused({ raw: '<a/>', headers: { 'content-type': 'application/xml' } })).toMatchObject({
      status: 415,
      code: 'unsupported-media-type',
    });
  });

  it('is 404 for unknown routes and ids and 405 with Allow for a wrong method', async () => {
    expect(await problem(await call(`${under.url}/api/nothing`))).toMatchObject({ status: 404, code: 'route-not-found' });
    for (const path of ['', '/history', '/events'])
      expect(await problem(await call(`${under.url}/api/workflows/wf_unknown${path}`))).toMatchObject({
        status: 404,
        code: 'workflow-not-found',
      });
    expect(await problem(await call(`${under.url}/api/workflows/wf_unknown`, { method: 'DELETE' }))).toMatchObject({
      status: 404,
      detail: 'There is no workflow wf_unknown.',
    });
    const wrong = await call(`${under.url}/api/workflows/execute`, { method: 'PUT' });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('POST');
    expect((await call(`${under.url}/api/workflows/wf_1`, { method: 'POST' })).headers.get('allow')).toBe('DELETE, GET, HEAD');
    // The path of an action is no id, although it looks like one.
    for (const method of ['GET', 'DELETE']) {
      const taken = await call(`${under.url}/api/workflows/execute`, { method });
      expect({ method, status: taken.status, allow: taken.headers.get('allow') }).toEqual({ method, status: 405, allow: 'POST' });
      expect(await problem(taken)).toMatchObject({ code: 'method-not-allowed', detail: `${method} is not possible here; POST is.` });
    }
  });

  it.each(['?limit=0', '?limit=999', '?limit=x', '?bogus=1', '?status=odd'])('refuses the query %s', async (query) => {
    expect((await call(`${under.url}/api/workflows${query}`)).status).toBe(400);
  });

  it('is 429 with Retry-After when a key asks too often', async () => {
    const slow = await startGateway({ requestsPerMinute: 2 });
    const statuses = [];
    for (let i = 0; i < 3; i += 1) statuses.push((await call(`${slow.url}/api/workflows`)).status);
    const last = await call(`${slow.url}/api/workflows`);
    await slow.gateway.close();
    expect(statuses).toEqual([200, 200, 429]);
    expect(Number(last.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

describe('access', () => {
  it('is refused without a key and with an unknown one, before the body is read', async () => {
    const { url } = under;
    const none = await call(`${url}/api/workflows/execute`, { method: 'POST', role: null, raw: '{broken' });
    expect(none.headers.get('www-authenticate')).toContain('Bearer');
    expect(await problem(none)).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect((await call(`${url}/api/workflows`, { role: null, headers: { 'x-api-key': 'tmk_guess' } })).status).toBe(401);
    expect((await call(`${url}/api/workflows`, { role: null, headers: { 'x-api-key': 'tmk_viewer' } })).status).toBe(200);
  });

  it('has a rule for every route of the running application, and no rule without a route', () => {
    const routes = under.gateway.routes.all().filter((route) => !/^(HEAD|OPTIONS) /.test(route));
    expect([...new Set(routes)].sort()).toEqual(Object.keys(ROLE_MATRIX).sort());
  });

  it('gives every role exactly what the matrix says on every route', async () => {
    for (const route of Object.keys(ROLE_MATRIX)) {
      const [method = '', pattern = ''] = route.split(' ');
      for (const role of ROLES) {
        const response = await call(`${under.url}${pattern.replace(':id', 'wf_unknown').replace(':asset', 'none')}`, { method, role });
        await response.body?.cancel();
        expect({ route, role, refused: response.status === 403 }).toEqual({ route, role, refused: !admits(ruleOf(method, pattern), role) });
      }
    }
  });

  it('lets nobody see another tenant', async () => {
    under.platform.addKey('tmk_foreign', 'admin', 'elsewhere' as never);
    const { id } = (await (
      await call(`${under.url}/api/workflows/execute`, { method: 'POST', body: { plan: { steps: [noop('a')] } } })
    ).json()) as { id: string };
    for (const path of ['', '/history', '/events']) {
      expect((await call(`${under.url}/api/workflows/${id}${path}`, { role: null, headers: { 'x-api-key': 'tmk_foreign' } })).status).toBe(
        404,
      );
    }
  });

  it('can be switched off', async () => {
    const open = await startGateway({ authentication: false });
    expect((await call(`${open.url}/api/workflows`, { role: null })).status).toBe(200);
    await open.gateway.close();
  });
});

describe('the table of codes', () => {
  it('has a status for every code of the rules and of the gateway', () => {
    for (const code of [...REJECTION_CODES, ...GATEWAY_CODES]) expect(MEANINGS[code].status).toBeGreaterThanOrEqual(400);
  });
});
