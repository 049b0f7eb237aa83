import { createMetrics } from '@taskmaster/service-kit';
import { SILENT } from '../edge-log.js';
import { createGateway, type Gateway } from '../gateway.js';
import type { GatewayParts } from '../gateway.module.js';
import { databaseProbe } from '../health.js';
import { InMemoryPlatform } from './in-memory-platform.js';

export const KEYS = { admin: 'tmk_admin', developer: 'tmk_developer', operator: 'tmk_operator', viewer: 'tmk_viewer' } as const;

export interface GatewayUnderTest {
  readonly platform: InMemoryPlatform;
  readonly gateway: Gateway;
  readonly url: string;
}

/** A gateway on a free loopback port, on top of the platform in memory, with a key for every role. */
export async function startGateway(changes: Partial<GatewayParts> = {}): Promise<GatewayUnderTest> {
  const platform = new InMemoryPlatform();
  for (const role of ['admin', 'developer', 'operator', 'viewer'] as const) platform.addKey(KEYS[role], role);
  const gateway = await createGateway({
    sender: platform,
    asker: platform,
    feed: platform,
    probes: [databaseProbe(platform)],
    metrics: createMetrics({ service: 'gateway' }),
    log: SILENT,
    defaults: { timeoutMs: 60_000, enableNlp: true, enableAgentCoordination: true },
    authentication: true,
    requestsPerMinute: 100_000,
    now: () => performance.now(),
    ...changes,
  });
  return { platform, gateway, url: `http://127.0.0.1:${String(await gateway.listen('127.0.0.1', 0))}` };
}

/** A request with the key of a role; `body` is sent as JSON. */
export async function call(
  url: string,
  init: { method?: string; role?: keyof typeof KEYS | null; body?: unknown; raw?: string; headers?: Record<string, string> } = {},
): Promise<Response> {
  const { method = 'GET', role = 'admin', body, raw, headers = {} } = init;
  const text = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  return fetch(url, {
    method,
    headers: {
      ...(role === null ? {} : { authorization: `Bearer ${KEYS[role]}` }),
      ...(text === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(text === undefined ? {} : { body: text }),
  });
}
