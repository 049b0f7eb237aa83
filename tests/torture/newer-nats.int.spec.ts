import { execFile } from 'node:child_process';
import { dirname, delimiter, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { presentNats, type NatsBinary } from '@taskmaster/provision';

/** The oldest that counts as newer than what every other spec runs on (docs/testing.md). */
const NEWER = [2, 11] as const;

const isNewer = ({ version }: NatsBinary): boolean => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > NEWER[0] || (major === NEWER[0] && minor >= NEWER[1]);
};

/** The folder of TASKMASTER_NEWER_NATS first, then PATH, then the cache. */
async function findNewer(): Promise<NatsBinary | undefined> {
  const given = process.env['TASKMASTER_NEWER_NATS'];
  const env =
    given === undefined ? process.env : { ...process.env, PATH: `${dirname(resolve(given))}${delimiter}${process.env['PATH'] ?? ''}` };
  for await (const binary of presentNats(env)) if (isNewer(binary)) return binary;
  return undefined;
}

const newer = await findNewer();
if (newer === undefined)
  process.stderr.write('NOT TESTED: nats-server 2.11 or newer, alone and as a cluster, because there is none (docs/testing.md)\n');

const SAID_CHARS_MAX = 4_000;

interface Ran {
  readonly code: number | string;
  readonly out: string;
}

/** Runs a program that finds that server before any other. */
function runOnNewer(...args: readonly string[]): Promise<Ran> {
  const { NODE_OPTIONS: _, JEST_WORKER_ID: __, TASKMASTER_TEST_RUN: ___, ...env } = process.env;
  const path = `${dirname(newer?.path ?? '')}${delimiter}${env['PATH'] ?? ''}`;
  return new Promise((settle) => {
    execFile(process.execPath, args, { env: { ...env, PATH: path }, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      settle({ code: error === null ? 0 : (error.code ?? 'killed'), out: stdout + stderr });
    });
  });
}

const torture = (...args: readonly string[]): Promise<Ran> =>
  runOnNewer(resolve('tests/dist/torture/torture.js'), '--seconds', '10', ...args);

(newer === undefined ? describe.skip : describe)('a newer nats-server', () => {
  it('does all that the relay and the consumers need', async () => {
    const jest = [
      resolve('node_modules/jest/bin/jest.js'),
      '--runInBand',
      '--testPathPatterns',
      String.raw`libs/messaging/.*\.int\.spec\.ts$`,
    ];
    const { code, out } = await runOnNewer('--experimental-vm-modules', '--disable-warning=ExperimentalWarning', ...jest);
    expect({ code, said: code === 0 ? '' : out.slice(-SAID_CHARS_MAX) }).toEqual({ code: 0, said: '' });
  }, 300_000);

  it('loses nothing under faults', async () => {
    const { code, out } = await torture('--seed', '3');
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/unfinished 0, violations 0\n$/) });
  }, 600_000);

  it('loses nothing as a cluster of three of which one is cut off from the others, with the clients that are connected to it', async () => {
    const { code, out } = await torture('--seed', '2', '--nats-nodes', '3', '--only', 'nats-partition');
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/"nats-partition":[1-9].*unfinished 0, violations 0\n$/) });
  }, 600_000);

  it('loses nothing as a cluster of three whose leader dies, sleeps or loses its disk', async () => {
    const { code, out } = await torture('--seed', '5', '--nats-nodes', '3', '--only', 'kill,pause,nats-kill,nats-wipe,forget');
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/unfinished 0, violations 0\n$/) });
  }, 600_000);
});
