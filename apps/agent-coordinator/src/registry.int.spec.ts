import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_TENANT } from '@taskmaster/contracts';
import { DeedDriver, finished } from './coordinated.fixture.js';
import { InMemoryState } from './in-memory-state.fixture.js';
import { claimInstance } from './instance.js';
import { AgentRegistry, configuredAgents } from './registry.js';

describe('the registry of agents', () => {
  it('registers only what is set, once, and labels simulated agents', async () => {
    const state = new InMemoryState();
    const faults: unknown[] = [];
    const registry = new AgentRegistry(
      {
        sender: state,
        asker: state,
        driverOf: () => Promise.resolve(new DeedDriver(() => finished())),
        onFault: (_what, error) => {
          faults.push(error);
        },
      },
      'spec',
      60_000,
    );
    const agents = configuredAgents({ simulated: ['http://127.0.0.1:1'], claudeCode: 'http://127.0.0.1:2' });
    await registry.register(agents);
    await registry.register(agents);
    await registry.watch();
    await registry.close();
    const { items } = await state.ask('ListAgents', { tenantId: DEFAULT_TENANT });
    expect(items.map(({ id, available, profile }) => [id, available, profile.simulated, profile.name])).toEqual([
      ['claude-code', true, false, 'claude-code'],
      ['simulated-1', true, true, 'SIMULATED agent 1'],
    ]);
    expect(state.events.filter(({ event }) => event.type === 'AgentRegistered').length).toBe(2);
    expect(faults).toEqual([]);
  });

  it('says when an agent can no longer be reached, and when it can again', async () => {
    const state = new InMemoryState();
    let up = true;
    const driver = new DeedDriver(() => finished());
    driver.health = () => (up ? Promise.resolve({ available: true, detail: 'here' }) : Promise.reject(new Error('connection refused')));
    const registry = new AgentRegistry(
      { sender: state, asker: state, driverOf: () => Promise.resolve(driver), onFault: () => undefined },
      'spec',
      60_000,
    );
    await registry.register(configuredAgents({ simulated: [], agentapi: 'http://127.0.0.1:3' }));
    await registry.watch();
    up = false;
    await registry.look();
    await registry.look();
    up = true;
    await registry.look();
    await registry.close();
    expect(state.events.map(({ event }) => event.type)).toEqual([
      'AgentRegistered',
      'AgentBecameAvailable',
      'AgentBecameUnavailable',
      'AgentBecameAvailable',
    ]);
  });
});

describe('the place of a coordinator', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'tm-place-'));
  });
  afterEach(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  it('is given to one process at a time and keeps its name', async () => {
    const [one, two] = await Promise.all([claimInstance(dir), claimInstance(dir)]);
    expect(new Set([one.root, two.root]).size).toBe(2);
    expect(one.holder).not.toBe(two.holder);
    await one.release();
    const again = await claimInstance(dir);
    expect([again.root, again.holder]).toEqual([one.root, one.holder]);
  });

  it('is taken over from a process that is gone, whoever has its number now', async () => {
    const first = await claimInstance(dir);
    writeFileSync(join(first.root, 'owner.json'), JSON.stringify({ pid: process.pid, startedAt: 'another life' }));
    const next = await claimInstance(dir);
    expect([next.root, next.holder]).toEqual([first.root, first.holder]);
  });
});
