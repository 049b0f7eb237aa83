import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@taskmaster/testing';
import { openSimulatedAgent, ScenarioUnusable, type SimulatedAgent } from './simulated-agent.js';

const folder = mkdtempSync(join(tmpdir(), 'simulated-agent-spec-'));
const scenarioPath = join(folder, 'scenario.json');
const lineOf = (step: string): string => `[taskmaster] workflow=wf_1 step=${step} attempt=1 workspace=${JSON.stringify(folder)}`;

let agent: SimulatedAgent;
let url: string;

beforeAll(async () => {
  writeFileSync(
    scenarioPath,
    JSON.stringify({
      rules: [
        { step: 'slow', fault: 'slow-turn', delayMs: 300 },
        { step: 'stuck', fault: 'hang' },
      ],
    }),
  );
  agent = await openSimulatedAgent({ ports: [0, 0], host: '127.0.0.1', stableMs: 30, thinkMs: 0, scenarioPath, crash: () => undefined });
  url = `http://127.0.0.1:${String(agent.ports[0])}`;
});
afterAll(async () => {
  await agent.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: Record<string, unknown>;
}

async function ask(path: string, body?: unknown, at = url): Promise<Reply> {
  const init =
    body === undefined
      ? {}
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: typeof body === 'string' ? body : JSON.stringify(body) };
  const response = await fetch(`${at}${path}`, init);
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    body: (await response.json()) as Record<string, unknown>,
  };
}

const stable = async (at = url): Promise<void> => {
  await eventually(async () => (await ask('/status', undefined, at)).body['status'] === 'stable');
};

/** Reads a stream of events until `enough` of its text is there, then leaves. */
async function readStream(path: string, enough: (text: string) => boolean): Promise<string> {
  const controller = new AbortController();
  const response = await fetch(`${url}${path}`, { signal: controller.signal });
  let text = '';
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString('utf8');
      if (enough(text)) break;
    }
  } finally {
    controller.abort();
  }
  return text;
}

describe('the simulated agent behind the protocol of agentapi', () => {
  it('says in status, greeting and document that it is simulated', async () => {
    await stable();
    expect((await ask('/status')).body).toEqual({ status: 'stable', agent_type: 'custom', transport: 'pty' });
    const [greeting] = (await ask('/messages')).body['messages'] as { id: number; role: string; content: string; time: string }[];
    expect(greeting).toMatchObject({ id: 0, role: 'agent', content: 'SIMULATED agent: ready.' });
    expect(Date.parse(greeting?.time ?? '')).not.toBeNaN();
    expect(JSON.stringify((await ask('/openapi.json')).body)).toContain('SIMULATED');
  });

  it('takes a message, runs, rewrites its last message and falls silent', async () => {
    await stable();
    expect(await ask('/message', { type: 'user', content: `${lineOf('slow')}\nHello` })).toMatchObject({ status: 200, body: { ok: true } });
    expect((await ask('/status')).body['status']).toBe('running');
    await stable();
    const messages = (await ask('/messages')).body['messages'] as { id: number; role: string; content: string }[];
    expect(messages.map(({ id, role }) => [id, role])).toEqual([
      [0, 'agent'],
      [1, 'user'],
      [2, 'agent'],
    ]);
    expect(messages[2]?.content).toContain('SIMULATED');
  });

  it('answers 500 in the shape of upstream while it is busy and for an empty message', async () => {
    await stable();
    await ask('/message', { type: 'user', content: `${lineOf('slow')}\nHello` });
    const busy = await ask('/message', { type: 'user', content: 'again' });
    expect(busy).toMatchObject({
      status: 500,
      type: 'application/problem+json',
      body: { title: 'Internal Server Error', detail: 'unexpected error occurred' },
    });
    expect(JSON.stringify(busy.body['errors'])).toContain('waiting for user input');
    await stable();
    expect(JSON.stringify((await ask('/message', { type: 'user', content: '  ' })).body)).toContain('must not be empty');
  });

  it.each([
    [{ type: 'user' }, 'expected required property content to be present'],
    [{ type: 'shout', content: 'x' }, 'expected value to be one of'],
    [{ type: 'user', content: 'x', extra: 1 }, 'unexpected property'],
    [{ type: 'user', content: 7 }, 'expected string'],
    [[], 'expected object'],
  ])('answers 422 to %j', async (body, message) => {
    const reply = await ask('/message', body);
    expect(reply).toMatchObject({ status: 422, body: { title: 'Unprocessable Entity', detail: 'validation failed' } });
    expect(JSON.stringify(reply.body['errors'])).toContain(message);
  });

  it('answers 400 to what is no JSON and 404 to what is no path', async () => {
    expect((await ask('/message', '{')).status).toBe(400);
    expect((await ask('/health')).status).toBe(404);
  });

  it('refuses a foreign host', async () => {
    const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      request(`${url}/status`, { headers: { host: 'evil.example' } }, (response) => {
        let text = '';
        response
          .setEncoding('utf8')
          .on('data', (chunk: string) => (text += chunk))
          .on('end', () => {
            resolve({ status: response.statusCode ?? 0, text });
          });
      })
        .on('error', reject)
        .end();
    });
    expect(answer.status).toBe(400);
    expect(answer.text).toContain('Invalid host header');
  });

  it('replays the whole history on the event stream, then the status', async () => {
    await stable();
    const text = await readStream('/events', (so) => so.includes('status_change'));
    const names = [...text.matchAll(/^event: (\w+)$/gm)].map((match) => match[1]);
    expect(names.at(-1)).toBe('status_change');
    expect(names.slice(0, -1).every((name) => name === 'message_update')).toBe(true);
    expect(text).toContain('"message":"SIMULATED agent: ready."');
    expect(text).toContain('{"status":"stable","agent_type":"custom"}');
  });

  it('shows its screen', async () => {
    expect(await readStream('/internal/screen', (so) => so.includes('\n\n'))).toContain('event: screen');
  });

  it('stores an uploaded file under its content', async () => {
    const form = new FormData();
    form.append('file', new Blob(['hello']), '../notes.txt');
    const reply = (await (await fetch(`${url}/upload`, { method: 'POST', body: form })).json()) as { ok: boolean; filePath: string };
    expect(reply.ok).toBe(true);
    expect(reply.filePath.endsWith('/notes.txt')).toBe(true);
    expect(await readFile(reply.filePath, 'utf8')).toBe('hello');
  });

  it('holds its lock during a POST, so that status hangs and only the event stream flows', async () => {
    const other = `http://127.0.0.1:${String(agent.ports[1])}`;
    await stable(other);
    const controller = new AbortController();
    const post = fetch(`${other}/message`, {
      method: 'POST',
      signal: controller.signal,
      body: JSON.stringify({ type: 'user', content: `${lineOf('stuck')}\nHello` }),
    });
    const replay = await fetch(`${other}/events`, { signal: controller.signal });
    expect(replay.status).toBe(200);
    await expect(fetch(`${other}/status`, { signal: AbortSignal.timeout(150) })).rejects.toMatchObject({ name: 'TimeoutError' });
    controller.abort();
    await expect(post).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('refuses to start with a scenario it does not understand', async () => {
    const path = join(folder, 'wrong.json');
    writeFileSync(path, JSON.stringify({ rules: [{ fault: 'laughs' }] }));
    const opened = openSimulatedAgent({
      ports: [0],
      host: '127.0.0.1',
      stableMs: 30,
      thinkMs: 0,
      scenarioPath: path,
      crash: () => undefined,
    });
    await expect(opened).rejects.toThrow(ScenarioUnusable);
  });
});
