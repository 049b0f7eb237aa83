import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { removePostgres, signalProcess, stopNats } from '@taskmaster/provision';
import { eventually } from '@taskmaster/testing';
import { startPlatform, type Platform } from './index.js';
import { makeStandIn, type StandIn } from './testing/stand-in.js';

// Real servers and processes, on machines that may be busy.
jest.setTimeout(60_000);

let standIn: StandIn;
let platform: Platform | undefined;

afterEach(async () => {
  await platform?.stop();
  await stopNats(join(standIn.data, 'nats'));
  await removePostgres(join(standIn.data, 'postgres'));
  await standIn.remove();
});

const bodyOf = async (address: string): Promise<string> => (await fetch(address)).text();

describe('several processes of a service', () => {
  it('run when asked for, gateways each on a port of its own that it keeps when it is killed', async () => {
    standIn = await makeStandIn();
    const { data, home } = standIn;
    const env = { PATH: '/usr/local/bin:/usr/bin:/bin', GATEWAY_PORT: '0' };
    const running = (platform = await startPlatform({ data, home, env, replicas: { engine: 2, gateway: 2 } }));
    const pidOf = (name: string): number => running.processes().find((entry) => entry.name === name)?.pid ?? 0;
    expect(pidOf('engine-2')).toBeGreaterThan(0);
    expect(pidOf('engine-2')).not.toBe(pidOf('engine'));
    const [first, second] = running.addresses;
    expect(first).toBe(running.address);
    expect(second).not.toBe(first);
    const before = pidOf('gateway-2');
    signalProcess(before, 'SIGKILL');
    await eventually(() => pidOf('gateway-2') > 0 && pidOf('gateway-2') !== before, { deadlineMs: 20_000, what: 'a new gateway-2' });
    expect(await Promise.all(running.addresses.map(bodyOf))).toEqual(['gateway', 'gateway']);
  });
});
