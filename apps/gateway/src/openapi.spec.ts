import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ROLE_MATRIX } from './access.js';
import { call, startGateway, type GatewayUnderTest } from './testing/gateway-under-test.js';

interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, unknown>>;
  readonly components: { schemas: Record<string, { properties: Record<string, Record<string, unknown>>; required?: string[] }> };
}

let under: GatewayUnderTest;
let document: Document;
beforeAll(async () => {
  under = await startGateway();
  document = (await (await call(`${under.url}/api/docs/openapi.json`, { role: null })).json()) as Document;
});
afterAll(async () => {
  await under.gateway.close();
});

describe('the API document', () => {
  it('is OpenAPI 3.1 and has every route but the documentation', () => {
    const routes = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
    );
    expect(document.openapi).toBe('3.1.0');
    expect(routes.sort()).toEqual(
      Object.keys(ROLE_MATRIX)
        .filter((route) => !route.includes('/api/docs'))
        .sort(),
    );
  });

  it('says of a body what the validation demands', () => {
    const { ExecuteWorkflowDto, StepDto, PlanDto } = document.components.schemas;
    expect(ExecuteWorkflowDto?.properties['requirement']).toMatchObject({ type: 'string', minLength: 1, maxLength: 65_536 });
    expect(ExecuteWorkflowDto?.properties['profile']).toMatchObject({ enum: ['cicd', 'squad', 'simple'] });
    expect(StepDto?.required).toEqual(['id', 'kind']);
    expect(StepDto?.properties['dependsOn']).toMatchObject({ type: 'array', items: { type: 'string' } });
    expect(JSON.stringify(PlanDto?.properties['steps'])).toContain('#/components/schemas/StepDto');
  });

  it('refers to nothing that is not there', () => {
    const names = [...JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)].map((found) => found[1] ?? '');
    expect(names.filter((name) => !(name in document.components.schemas))).toEqual([]);
  });

  it('comes with a page, its two files and no others', async () => {
    for (const [path, status] of [
      ['', 200],
      ['/swagger-ui.css', 200],
      ['/start.js', 200],
      ['/package.json', 404],
      ['/..%2fpackage.json', 404],
    ] as const) {
      const response = await call(`${under.url}/api/docs${path}`, { role: null });
      await response.body?.cancel();
      expect({ path, status: response.status }).toEqual({ path, status });
    }
  });
});
