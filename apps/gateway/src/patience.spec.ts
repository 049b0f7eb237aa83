import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { StateUnavailable, type CommandSender, type QueryAsker } from '@taskmaster/contracts';
import { call, startGateway, type GatewayUnderTest } from './testing/gateway-under-test.js';

const PLAN = { plan: { steps: [{ id: 'a', kind: 'command.run', input: { builtin: 'noop' } }] } };

/** How long the gateway was ready to wait, for each thing it asked; nobody is there to answer. */
let deadlines: (number | undefined)[] = [];
const nobody = (_what: unknown, options?: { readonly deadlineMs?: number }): Promise<never> => {
  deadlines.push(options?.deadlineMs);
  return Promise.reject(new StateUnavailable('no answer'));
};
const sender: CommandSender = { send: nobody };
const asker: QueryAsker = { ask: (_query, question, options) => nobody(question, options) };

let under: GatewayUnderTest;
beforeAll(async () => {
  under = await startGateway({ sender, asker, authentication: false });
});
afterAll(() => under.gateway.close());
beforeEach(() => {
  deadlines = [];
});

const execute = (headers: Record<string, string> = {}): Promise<Response> =>
  call(`${under.url}/api/workflows/execute`, { method: 'POST', role: null, body: PLAN, headers });

describe('while nobody answers', () => {
  it.each([
    ['says nothing of waiting', {}, 10_000],
    ['wants to wait long', { prefer: 'wait=25' }, 25_000],
    ['wants to wait shortly', { prefer: 'wait=2' }, 10_000],
  ])('a client that %s is told so in time, and when to ask again', async (_what, headers, deadlineMs) => {
    const answer = await execute(headers);
    expect({ status: answer.status, retryAfter: answer.headers.get('retry-after'), deadlines }).toEqual({
      ...{ status: 503, retryAfter: '1', deadlines: [deadlineMs] },
    });
  });

  it.each([
    ['GET', '/api/workflows'],
    ['GET', '/api/workflows/wf_1'],
    ['DELETE', '/api/workflows/wf_1'],
    ['PUT', '/api/workflows/wf_1/pause'],
  ])('%s %s is answered in time too', async (method, path) => {
    const answer = await call(`${under.url}${path}`, { method, role: null });
    expect({ status: answer.status, deadlines }).toEqual({ status: 503, deadlines: [10_000] });
  });
});
