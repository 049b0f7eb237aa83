import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { surroundings } from '../config.js';
import { EXIT } from '../exit.js';
import { doctor, examine, type Finding } from './doctor.js';

let data: string;
let server: Server;
let taken: number;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'taskmaster-doctor-'));
  server = createServer((socket) => socket.destroy());
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  taken = (server.address() as AddressInfo).port;
});
afterEach(async () => {
  await new Promise((closed) => server.close(closed));
  await rm(data, { recursive: true, force: true });
});

const PATH = '/usr/local/bin:/usr/bin:/bin';
const found = async (name: string, env: Record<string, string> = {}): Promise<Finding | undefined> =>
  (await examine({ data }, { PATH, GATEWAY_PORT: '0', ...env })).find((finding) => finding.name === name);

/** Nobody listens on it: it is reserved. */
const NOBODY = 'nats://127.0.0.1:1';

describe('the doctor', () => {
  it('is content with this machine, and looks at everything once', async () => {
    const findings = await examine({ data }, { PATH });
    const names = findings.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
    expect(names).toEqual(expect.arrayContaining(['node', 'git', 'postgres', 'schema', 'nats', 'port', 'disk', 'agents', 'keys']));
    expect(await found('node')).toMatchObject({ state: 'ok' });
    expect(await found('schema')).toMatchObject({ state: 'note' });
  });

  it('says what to do about everything that blocks', async () => {
    const env = { PATH: '/nowhere', NATS_URL: NOBODY, GATEWAY_PORT: String(taken) };
    const findings = await examine({ data }, env);
    const blocking = findings.filter(({ state }) => state === 'blocks');
    expect(blocking.map(({ name }) => name)).toEqual(['git', 'nats', 'port']);
    expect(blocking.filter(({ remedy }) => remedy === undefined)).toEqual([]);
  });

  it('reaches what the environment names', async () => {
    expect(await found('nats', { NATS_URL: `nats://127.0.0.1:${String(taken)}` })).toMatchObject({ state: 'ok' });
    expect(await found('nats', { NATS_URL: 'not a url' })).toMatchObject({ state: 'blocks' });
  });

  it('never shows a password or a key', async () => {
    const env = { NATS_URL: `nats://user:hidden@127.0.0.1:${String(taken)}`, ANTHROPIC_API_KEY: 'hidden', GITHUB_TOKEN: 'hidden' };
    const findings = await examine({ data }, { PATH, ...env });
    expect(JSON.stringify(findings)).not.toContain('hidden');
    expect(findings.find(({ name }) => name === 'keys')?.detail).toBe('set: ANTHROPIC_API_KEY, GITHUB_TOKEN');
  });

  it('fails as a command when something blocks, and gives its findings as JSON', async () => {
    let out = '';
    const terminal = { ...surroundings().terminal, out: (text: string) => (out += text) };
    const exit = await doctor({ data, json: true }, { env: { PATH, NATS_URL: NOBODY }, workingDirectory: '/', terminal });
    expect(exit).toBe(EXIT.failed);
    expect((JSON.parse(out) as { findings: Finding[] }).findings.find(({ name }) => name === 'nats')).toMatchObject({ state: 'blocks' });
  });
});
