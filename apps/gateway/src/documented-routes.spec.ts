import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, startGateway, type GatewayUnderTest } from './testing/gateway-under-test.js';

interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
}
interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>>;
  readonly requestBody?: { readonly required?: boolean };
  readonly security?: readonly unknown[];
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

const STEPS = [{ id: 'a', kind: 'command.run', input: { builtin: 'noop' } }];
/** What to send where something has to be sent. */
const BODIES: Readonly<Record<string, object>> = {
  'POST /api/workflows/execute': { plan: { steps: STEPS } },
  'POST /api/requirements/parse': { text: 'Add a health check' },
  'PUT /api/workflows/{id}/escalation': { decision: 'retry' },
};

let under: GatewayUnderTest;
let document: Document;
beforeAll(async () => {
  under = await startGateway();
  document = (await (await call(`${under.url}/api/docs/openapi.json`, { role: null })).json()) as Document;
});
afterAll(async () => {
  await under.gateway.close();
});

const operations = (): readonly (readonly [string, Operation])[] =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
  );

async function newWorkflow(): Promise<string> {
  const started = await call(`${under.url}/api/workflows/execute`, { method: 'POST', body: BODIES['POST /api/workflows/execute'] });
  return ((await started.json()) as { id: string }).id;
}

async function send(route: string, more: Parameters<typeof call>[1] = {}): Promise<Response> {
  const [method = '', path = ''] = route.split(' ');
  const target = `${under.url}${path.replace('{id}', path.includes('{id}') ? await newWorkflow() : '')}`;
  return call(target, { method, ...(BODIES[route] === undefined ? {} : { body: BODIES[route] }), ...more });
}

const describedBy = ({ responses }: Operation, status: number): Operation['responses'][string] | undefined =>
  responses[String(status)] ?? (status >= 400 ? responses['default'] : undefined);

const resolved = (schema: Schema | undefined): Schema =>
  (schema?.$ref === undefined ? schema : document.components.schemas[schema.$ref.split('/').at(-1) ?? '']) ?? {};

/** Checks an answer against the document: its status, its media type, and the members of its object. */
async function expectAsDescribed(route: string, operation: Operation, response: Response): Promise<void> {
  const type = response.headers.get('content-type')?.split(';')[0] ?? '';
  const content = describedBy(operation, response.status)?.content ?? {};
  expect({ route, status: response.status, types: Object.keys(content) }).toMatchObject({ route, types: expect.arrayContaining([type]) });
  const body = await response.text();
  const { properties, required = [] } = resolved(content[type]?.schema);
  if (!type.endsWith('json') || properties === undefined) return;
  const members = Object.keys(JSON.parse(body) as object);
  expect({ route, missing: required.filter((name) => !members.includes(name)) }).toEqual({ route, missing: [] });
  // A problem has members of its code's own beside those of every problem.
  const extra = type === 'application/json' ? members.filter((name) => !(name in properties)) : [];
  expect({ route, extra }).toEqual({ route, extra: [] });
}

describe('every route', () => {
  it('that Fastify has is in the document, except the documentation itself, and the other way round', () => {
    const registered = under.gateway.routes.all().filter((route) => !/^(HEAD|OPTIONS) |\/api\/docs/.test(route));
    const documented = operations().map(([route]) => route.replace(/\{(\w+)\}/g, ':$1'));
    expect(documented.sort()).toEqual([...new Set(registered)].sort());
  });

  it('answers as described', async () => {
    for (const [route, operation] of operations()) await expectAsDescribed(route, operation, await send(route));
  });

  it('refuses as described: without a key, with an unknown field, with an unknown workflow', async () => {
    for (const [route, operation] of operations()) {
      const [method = '', path = ''] = route.split(' ');
      const calls = [
        ...(operation.security === undefined ? [] : [await send(route, { role: null })]),
        ...(BODIES[route] === undefined ? [] : [await send(route, { body: { ...BODIES[route], bogus: 1 } })]),
        ...(path.includes('{id}')
          ? [
              await call(`${under.url}${path.replace('{id}', 'wf_unknown')}`, {
                method,
                ...(BODIES[route] === undefined ? {} : { body: BODIES[route] }),
              }),
            ]
          : []),
      ];
      for (const response of calls) {
        expect({ route, refused: response.status >= 400 && response.status < 500 }).toEqual({ route, refused: true });
        await expectAsDescribed(route, operation, response);
      }
    }
  });

  it('that says its body may be absent takes none', async () => {
    const bodies = operations().filter(([, { requestBody }]) => requestBody !== undefined);
    expect(bodies.filter(([, { requestBody }]) => requestBody?.required !== true).map(([route]) => route)).toHaveLength(4);
    for (const [route, operation] of bodies) {
      const { status } = await send(route, { body: undefined });
      expect({ route, refused: status === 400 }).toEqual({ route, refused: operation.requestBody?.required === true });
    }
  });

  it('streams events where it says so', async () => {
    for (const [route, operation] of operations()) {
      if (operation.responses['200']?.content?.['text/event-stream'] === undefined) continue;
      const response = await send(route, { headers: { accept: 'text/event-stream' } });
      expect(response.headers.get('content-type')).toContain('text/event-stream');
      await response.body?.cancel();
    }
  });
});
