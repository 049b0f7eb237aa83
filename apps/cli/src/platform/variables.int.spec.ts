import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { removePostgres, stopNats } from '@taskmaster/provision';
import { startPlatform, type Platform, type PlatformOptions } from './index.js';
import { makeStandIn, type StandIn } from './testing/stand-in.js';

// Real servers and processes, on machines that may be busy.
jest.setTimeout(60_000);

let standIn: StandIn;
const platforms: Platform[] = [];

beforeEach(async () => {
  standIn = await makeStandIn();
});

afterEach(async () => {
  await Promise.all(platforms.splice(0).map((platform) => platform.stop()));
  await stopNats(join(standIn.data, 'nats'));
  await removePostgres(join(standIn.data, 'postgres'));
  await standIn.remove();
});

async function up(options: Partial<PlatformOptions> = {}): Promise<Platform> {
  const env = { PATH: '/usr/local/bin:/usr/bin:/bin', GATEWAY_PORT: '0', ...options.env };
  const platform = await startPlatform({ data: standIn.data, home: standIn.home, ...options, env });
  platforms.push(platform);
  return platform;
}

describe('what the processes are told', () => {
  it('gives each service its own variables only, and keeps the key to its owner', async () => {
    const platform = await up({
      apart: true,
      env: { ANTHROPIC_API_KEY: 'a-secret', AGENTAPI_KEY: 'another', SOMETHING_ELSE: 'x', LOG_LEVEL: 'warn' },
    });
    const gateway = await standIn.environmentOf('gateway');
    expect(gateway).not.toHaveProperty('ANTHROPIC_API_KEY');
    expect(gateway).not.toHaveProperty('DATABASE_URL');
    expect(gateway).not.toHaveProperty('SOMETHING_ELSE');
    expect(gateway).toMatchObject({ LOG_LEVEL: 'warn' });
    expect(new URL(gateway['NATS_URL'] ?? '')).toMatchObject({ username: 'gateway', host: new URL(platform.natsUrl).host });
    expect(gateway['NATS_URL']).not.toContain(new URL(platform.natsUrl).password);
    expect(await standIn.environmentOf('nlp-service')).toMatchObject({ ANTHROPIC_API_KEY: 'a-secret', NLP_PROVIDER: 'anthropic' });
    expect(await standIn.environmentOf('nlp-service')).not.toHaveProperty('AGENTAPI_KEY');
    expect(await standIn.environmentOf('agent-coordinator')).not.toHaveProperty('ANTHROPIC_API_KEY');
    const state = await standIn.environmentOf('state-service');
    expect(new URL(state['DATABASE_URL'] ?? '')).toMatchObject({ username: 'taskmaster_state', host: new URL(platform.databaseUrl).host });
    expect(state['DATABASE_URL']).not.toContain(new URL(platform.databaseUrl).password);
    expect(state['BOOTSTRAP_API_KEY_HASH']).toMatch(/^[0-9a-f]{64}$/);
    expect(Object.values(state)).not.toContain(platform.apiKey);
    expect((await stat(platform.apiKeyFile)).mode & 0o777).toBe(0o600);
    expect(await readFile(join(platform.data, 'platform.json'), 'utf8')).not.toContain(new URL(platform.databaseUrl).password);
  });

  it('gives the engine the variables of both services, each as a user of its own at the broker', async () => {
    await up({ env: { ANTHROPIC_API_KEY: 'a-secret', AGENTAPI_KEY: 'another' } });
    const engine = await standIn.environmentOf('engine');
    expect(engine).toMatchObject({ AGENTAPI_KEY: 'another' });
    expect(engine).not.toHaveProperty('ANTHROPIC_API_KEY');
    const userIn = (name: string): string => new URL(engine[name] ?? '').username;
    expect(['DATABASE_URL', 'NATS_URL', 'COORDINATOR_NATS_URL'].map(userIn)).toEqual([
      'taskmaster_state',
      'state-service',
      'agent-coordinator',
    ]);
  });

  it('uses the simulated agent only when no real one is named, or when asked to', async () => {
    const real = await up({ env: { AGENTAPI_URL: 'http://127.0.0.1:1' } });
    expect(real.simulatedAgent).toBe(false);
    expect(await standIn.environmentOf('engine')).toMatchObject({ AGENTAPI_URL: 'http://127.0.0.1:1' });
    expect(await standIn.environmentOf('engine')).not.toHaveProperty('SIMULATED_AGENT_URLS');
    await real.stop();
    const both = await up({ env: { AGENTAPI_URL: 'http://127.0.0.1:1' }, simulatedAgent: 'always' });
    expect(both.simulatedAgent).toBe(true);
    expect(await standIn.environmentOf('engine')).toHaveProperty('SIMULATED_AGENT_URLS');
  });
});
