import { createServer, type IncomingMessage, type Server } from 'node:http';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { clientCommandId, DEFAULT_TENANT } from '@taskmaster/contracts';
import { EXIT } from '../exit.js';
import { runProgram } from '../program.js';

let place: string;
let server: Server;
let url: string;

/** A log of one event, which the command of this key made. */
const EVENT = {
  position: 1,
  stream: 'workflow-w',
  version: 1,
  tenantId: DEFAULT_TENANT,
  type: 'WorkflowPaused',
  commandId: clientCommandId(DEFAULT_TENANT, 'known'),
};
const ANSWERS: Readonly<Record<string, object>> = {
  'POST /api/audit/verify': { head: 1, streams: 1, durationMs: 1, invariants: [{ number: 3, name: 'three', checked: 1, violations: [] }] },
  'GET /api/events': { items: [EVENT], head: 1 },
  'PUT /api/workflows/w/pause': { status: 'accepted', version: 1, position: 1 },
};

beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'taskmaster-audit-'));
  server = createServer((request: IncomingMessage, response) => {
    const answer = ANSWERS[`${request.method ?? ''} ${request.url?.split('?')[0] ?? ''}`];
    response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(place, { recursive: true, force: true });
});

async function taskMaster(...args: readonly string[]): Promise<{ readonly exit: number; readonly text: string }> {
  let text = '';
  const write = (part: string): void => void (text += part);
  const terminal = { out: write, talk: write, live: false, colour: false, columns: () => 100, rows: () => 40 };
  const exit = await runProgram(['--url', url, ...args], { env: {}, workingDirectory: place, terminal });
  return { exit, text };
}

const fileOf = async (...records: readonly object[]): Promise<string> => {
  const file = join(place, 'records.ndjson');
  await writeFile(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
  return file;
};
const accepted = (key: string): object => ({ kind: 'accepted', key, stream: 'workflow-w', version: 1, position: 1 });

describe('task-master audit verify --records', () => {
  it('agrees when the log has what clients were told', async () => {
    const { exit, text } = await taskMaster('audit', 'verify', '--records', await fileOf(accepted('known')));
    expect({ exit, text }).toMatchObject({ exit: EXIT.ok, text: expect.stringContaining('✔  4 what a client was told') });
  });

  it('fails and says what a client was told that the log does not have', async () => {
    const { exit, text } = await taskMaster('audit', 'verify', '--records', await fileOf(accepted('lost')));
    expect({ exit, text }).toMatchObject({ exit: EXIT.failed, text: expect.stringContaining('I4: key lost was accepted') });
  });

  it('says which line of a file is no record, and that a file is not there', async () => {
    const bad = await taskMaster('audit', 'verify', '--records', await fileOf(accepted('known'), { kind: 'rumour' }));
    expect({ exit: bad.exit, text: bad.text }).toMatchObject({ exit: EXIT.usage, text: expect.stringContaining('line 2') });
    expect((await taskMaster('audit', 'verify', '--records', join(place, 'none'))).exit).toBe(EXIT.usage);
  });

  it('takes what --record has kept', async () => {
    const file = join(place, 'kept.ndjson');
    expect((await taskMaster('--record', file, 'workflow', 'pause', 'w')).exit).toBe(EXIT.ok);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ kind: 'accepted', stream: 'workflow-w', version: 1, position: 1 });
    // The key was made up on the way, and this log's event is of another command.
    expect((await taskMaster('audit', 'verify', '--records', file)).exit).toBe(EXIT.failed);
  });
});
