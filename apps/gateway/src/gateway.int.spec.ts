import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectBroker } from '@taskmaster/messaging';
import { startBroker, type TestBroker } from '@taskmaster/testing';
import type { Broker } from './broker-feed.js';
import { loadGatewayConfig } from './config.js';
import { startGateway, type RunningGateway } from './start.js';
import { call, KEYS } from './testing/gateway-under-test.js';
import { InMemoryPlatform } from './testing/in-memory-platform.js';
import { servePlatform } from './testing/serve-platform.js';

const PLAN = { plan: { steps: [{ id: 'a', kind: 'command.run', input: { builtin: 'noop' } }] } };

let broker: TestBroker;
let state: Broker;
let running: RunningGateway;
let url: string;
const platform = new InMemoryPlatform();

beforeAll(async () => {
  broker = await startBroker();
  state = await connectBroker({ url: broker.url, name: 'state-service' });
  servePlatform(platform, state);
  await state.flush();
  platform.addKey(KEYS.admin, 'admin');
  running = await startGateway(
    loadGatewayConfig({
      NATS_URL: broker.url,
      GATEWAY_PORT: '0',
      ENABLE_NLP: 'false',
      ENABLE_AGENT_COORDINATION: 'false',
      LOG_LEVEL: 'silent',
    }),
  );
  url = `http://127.0.0.1:${String(running.port)}`;
}, 30_000);
afterAll(async () => {
  await running.gateway.close();
  await running.closeBroker();
  await state.close();
  await broker.stop();
});

describe('the gateway on a real broker', () => {
  it('runs a workflow and learns of its end from the feed, not by looking', async () => {
    const before = platform.asked.filter((query) => query === 'GetWorkflow').length;
    const response = await call(`${url}/api/workflows/execute`, { method: 'POST', body: PLAN, headers: { prefer: 'wait=10' } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: 'completed' });
    expect(platform.asked.filter((query) => query === 'GetWorkflow').length - before).toBe(1);
  });

  it('answers a hundred who wait at once', async () => {
    const responses = await Promise.all(
      Array.from({ length: 100 }, () =>
        call(`${url}/api/workflows/execute`, { method: 'POST', body: PLAN, headers: { prefer: 'wait=20' } }),
      ),
    );
    expect(responses.map((response) => response.status)).toEqual(Array.from({ length: 100 }, () => 200));
  }, 30_000);

  it('streams what happens while it happens', async () => {
    const response = await call(`${url}/api/events?after=${String(platform.head)}`, { headers: { accept: 'text/event-stream' } });
    void call(`${url}/api/workflows/execute`, { method: 'POST', body: PLAN });
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString();
      if (text.includes('event: WorkflowEnded')) break;
    }
    expect(text).toContain('event: WorkflowRequested');
  });

  it('reports the broker and leaves out what is switched off', async () => {
    const health = (await (await call(`${url}/api/health`, { role: null })).json()) as {
      status: string;
      components: Record<string, unknown>;
    };
    expect(health.status).toBe('up');
    expect(Object.keys(health.components).sort()).toEqual(['broker', 'database']);
  });
});

describe('the configuration', () => {
  it('does not switch authentication off on an address that others can reach', () => {
    expect(() => loadGatewayConfig({ ENABLE_AUTH: 'false', GATEWAY_HOST: '0.0.0.0' })).toThrow('ENABLE_AUTH');
    expect(loadGatewayConfig({ ENABLE_AUTH: 'false' }).ENABLE_AUTH).toBe(false);
  });
});
