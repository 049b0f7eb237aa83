import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '@taskmaster/testing';
import type { PlatformFault } from './platform-fault.js';
import { QUICK_DEATHS_MAX, superviseService, type SupervisedService } from './supervised-service.js';

jest.setTimeout(60_000);

/** Writes down that it began, says that it is ready, and dies as soon as that can have been heard. */
const DIES = `
  require('node:fs').appendFileSync('begun', 'once more\\n');
  process.send({ type: 'ready' }, () => setTimeout(() => process.exit(1), 100));`;

let place: string;
let service: SupervisedService | undefined;
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'taskmaster-supervised-'));
  await writeFile(join(place, 'main.js'), DIES);
});
afterEach(async () => {
  await service?.stop();
  await rm(place, { recursive: true, force: true });
});

/** Supervises it; `serverRestarts` says how often a server that it needs was started again by now. */
async function supervise(serverRestarts: () => number): Promise<{ readonly faults: readonly PlatformFault[] }> {
  const faults: PlatformFault[] = [];
  service = await superviseService(
    {
      program: 'state-service',
      name: 'state-service',
      mainFile: join(place, 'main.js'),
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      workingDirectory: place,
      logFile: join(place, 'log'),
    },
    {
      onChange: () => undefined,
      onProgress: () => undefined,
      untilServersRun: () => Promise.resolve(),
      serverRestarts,
      onGiveUp: (fault) => faults.push(fault),
    },
  );
  return { faults };
}

describe('a service that dies at once', () => {
  it('is given up after so many deaths in a row', async () => {
    const { faults } = await supervise(() => 0);
    await eventually(() => faults.length === 1, { deadlineMs: 30_000 });
    const begun = (await readFile(join(place, 'begun'), 'utf8')).trim().split('\n');
    expect(begun).toHaveLength(QUICK_DEATHS_MAX);
    expect(faults[0]?.message).toContain(`died ${String(QUICK_DEATHS_MAX)} times in a row`);
  });

  it('is not given up while a server that it needs keeps dying: that says nothing about the service', async () => {
    let restarts = 0;
    const { faults } = await supervise(() => (restarts += 1));
    await eventually(() => (service?.restarts ?? 0) > 2 * QUICK_DEATHS_MAX, { deadlineMs: 30_000 });
    expect(faults).toEqual([]);
  });
});
