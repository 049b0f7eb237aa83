import { describe, expect, it } from '@jest/globals';
import { ConfigFault } from '@taskmaster/service-kit';
import { readConfig } from './config.js';

const DATABASE_URL = 'postgres://state@127.0.0.1/tm';

describe('the configuration of the engine', () => {
  it('gives the coordinator a broker address of its own where there is one', () => {
    const both = readConfig({
      DATABASE_URL,
      NATS_URL: 'nats://state:a@127.0.0.1:1',
      COORDINATOR_NATS_URL: 'nats://coordinator:b@127.0.0.1:1',
    });
    expect(both.state.NATS_URL).toBe('nats://state:a@127.0.0.1:1');
    expect(both.coordinator.NATS_URL).toBe('nats://coordinator:b@127.0.0.1:1');
    const one = readConfig({ DATABASE_URL, NATS_URL: 'nats://127.0.0.1:2' });
    expect([one.state.NATS_URL, one.coordinator.NATS_URL]).toEqual(['nats://127.0.0.1:2', 'nats://127.0.0.1:2']);
  });

  it('shows commands and agents nothing of the database', () => {
    const { coordinator } = readConfig({ DATABASE_URL, HTTPS_PROXY: 'http://127.0.0.1:3' });
    for (const seen of [coordinator.commandEnv, coordinator.agentEnv]) {
      expect(seen).toHaveProperty('HTTPS_PROXY');
      expect(Object.values(seen).join()).not.toContain('postgres');
    }
  });

  it('refuses what either service refuses', () => {
    expect(() => readConfig({})).toThrow(ConfigFault);
    expect(() => readConfig({ DATABASE_URL, LEASE_MS: '1' })).toThrow(/LEASE_MS/);
    expect(() => readConfig({ DATABASE_URL, COORDINATOR_NATS_URL: 'http://x' })).toThrow(/COORDINATOR_NATS_URL/);
  });
});
