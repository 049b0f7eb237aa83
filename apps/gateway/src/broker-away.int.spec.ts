import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { QueryAsker } from '@taskmaster/contracts';
import { connectBroker, NatsCommandSender, NatsQueryAsker } from '@taskmaster/messaging';
import { eventually, startBroker, type TestBroker } from '@taskmaster/testing';
import type { Broker } from './broker-feed.js';
import type { Gateway } from './gateway.js';
import { call, KEYS, startGateway } from './testing/gateway-under-test.js';
import { InMemoryPlatform } from './testing/in-memory-platform.js';
import { servePlatform } from './testing/serve-platform.js';

const BODY = { plan: { steps: [{ id: 'a', kind: 'command.run', input: { builtin: 'noop' } }] } };
/** How long a request waits for state-service here; it is the patience of a client, not of a spec. */
const DEADLINE = { deadlineMs: 600 };

let broker: TestBroker;
let state: Broker;
let own: Broker;
let gateway: Gateway;
let url: string;
const platform = new InMemoryPlatform();

beforeAll(async () => {
  broker = await startBroker();
  platform.addKey(KEYS.admin, 'admin');
  const connect = (name: string): Promise<Broker> => connectBroker({ url: broker.url, name });
  [state, own] = await Promise.all([connect('state-service'), connect('gateway')]);
  servePlatform(platform, state);
  await state.flush();
  const [sender, asker] = [new NatsCommandSender(own), new NatsQueryAsker(own)];
  const started = await startGateway({
    sender: { send: (envelope) => sender.send(envelope, DEADLINE) },
    asker: { ask: (query, question) => asker.ask(query, question, DEADLINE) } satisfies QueryAsker,
  });
  [gateway, url] = [started.gateway, started.url];
}, 60_000);

afterAll(async () => {
  await gateway.close();
  await Promise.all([own.close(), state.close()]);
  await broker.stop();
});

const execute = (key: string): Promise<Response> =>
  call(`${url}/api/workflows/execute`, { method: 'POST', body: BODY, headers: { 'idempotency-key': key } });

describe('while the broker is away', () => {
  it('a command is answered 503 with a problem that says when to ask again, and the same key is accepted once the broker is back', async () => {
    expect((await execute('before')).status).toBe(202);
    await broker.kill9();
    const refused = await execute('meanwhile');
    expect(refused.status).toBe(503);
    expect(refused.headers.get('content-type')).toContain('application/problem+json');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({
      status: 503,
      code: 'state-unavailable',
      type: 'urn:taskmaster:problem:state-unavailable',
    });
    const read = await call(`${url}/api/workflows`);
    expect(read.status).toBe(503);
    await broker.restart();
    const accepted = await eventually(
      async () => {
        const response = await execute('meanwhile');
        return response.status === 503 ? undefined : response;
      },
      { what: 'an answer', deadlineMs: 20_000 },
    );
    expect(accepted.status).toBe(202);
    const requested = platform.events.filter(({ type }) => type === 'WorkflowRequested');
    expect(requested).toHaveLength(2);
  }, 60_000);
});
