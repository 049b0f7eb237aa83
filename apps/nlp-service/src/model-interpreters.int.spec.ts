import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Result, StepError } from '@taskmaster/contracts';
import { anthropicInterpreter } from './anthropic-interpreter.js';
import type { Interpreted, RequirementInterpreter, Understanding } from './interpreter.js';
import { openAiInterpreter } from './openai-interpreter.js';

interface Seen {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: { readonly model: string; readonly [key: string]: unknown };
}
interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Never answers. */
  readonly silent?: boolean;
}

/** A server on loopback that speaks a provider's wire format and answers by script, the last reply for ever. */
class Provider {
  readonly seen: Seen[] = [];
  replies: Reply[] = [];
  readonly #server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      this.seen.push({
        path: request.url ?? '',
        headers: request.headers,
        body: JSON.parse(Buffer.concat(chunks).toString()) as Seen['body'],
      });
      const reply = (this.replies.length > 1 ? this.replies.shift() : this.replies[0]) ?? {};
      if (reply.silent === true) return;
      response.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers });
      response.end(typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? {}));
    });
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const UNDERSTOOD = {
  items: [
    { id: 'add-login', title: 'Add login', description: 'Log in.', type: 'security', priority: 'high', dependsOn: [] },
    { id: 'add-logout', title: 'Add logout', description: 'Log out.', type: 'nonsense', priority: 'x', dependsOn: ['add-login'] },
  ],
  metadata: { complexity: 42, technologies: ['Node.js'], risks: ['Security'], acceptanceCriteria: ['It works.'] },
};
const CYCLE = {
  ...UNDERSTOOD,
  items: [
    { id: 'a', title: 'A', dependsOn: ['b'] },
    { id: 'b', title: 'B', dependsOn: ['a'] },
  ],
};

interface Wire {
  readonly name: string;
  readonly keyName: string;
  readonly connect: (baseUrl: string, models: readonly string[], timeoutMs?: number) => RequirementInterpreter;
  readonly good: (value: unknown, model?: string) => Reply;
  readonly refusal: Reply;
  readonly cutOff: Reply;
  readonly unknownModel: Reply;
  readonly path: string;
}

const now = (): number => performance.now();
const claude = (content: unknown[], stop_reason: string, model = 'claude-sonnet-4-5-20250929'): Reply => ({
  body: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model,
    content,
    stop_reason,
    stop_sequence: null,
    usage: { input_tokens: 100, output_tokens: 50, cache_creation_input_tokens: 0, cache_read_input_tokens: 900 },
  },
});
const gpt = (message: Record<string, unknown>, finish_reason: string, model = 'gpt-4.1'): Reply => ({
  body: {
    id: 'c1',
    object: 'chat.completion',
    created: 1,
    model,
    choices: [{ index: 0, message: { role: 'assistant', content: null, refusal: null, ...message }, finish_reason, logprobs: null }],
    usage: { prompt_tokens: 1000, completion_tokens: 50, total_tokens: 1050 },
  },
});

const WIRES: readonly Wire[] = [
  {
    name: 'anthropic',
    keyName: 'ANTHROPIC_API_KEY',
    path: '/v1/messages',
    connect: (baseUrl, models, timeoutMs) =>
      anthropicInterpreter({ apiKey: 'secret-key-1', models, baseUrl, ...(timeoutMs === undefined ? {} : { timeoutMs }) }, now),
    good: (value, model) =>
      claude(
        [
          { type: 'text', text: 'Here you are.' },
          { type: 'tool_use', id: 'tu_1', name: 'record_understanding', input: value },
        ],
        'tool_use',
        model,
      ),
    refusal: claude([], 'refusal'),
    cutOff: claude([], 'max_tokens'),
    unknownModel: { status: 404, body: { type: 'error', error: { type: 'not_found_error', message: 'model: old-model' } } },
  },
  {
    name: 'openai',
    keyName: 'OPENAI_API_KEY',
    path: '/v1/chat/completions',
    connect: (baseUrl, models, timeoutMs) =>
      openAiInterpreter(
        { apiKey: 'secret-key-1', models, baseUrl: `${baseUrl}/v1`, ...(timeoutMs === undefined ? {} : { timeoutMs }) },
        now,
      ),
    good: (value, model) => gpt({ content: JSON.stringify(value) }, 'stop', model),
    refusal: gpt({ refusal: 'I cannot help with that.' }, 'stop'),
    cutOff: gpt({ content: '{"items": [' }, 'length'),
    unknownModel: {
      status: 404,
      body: {
        error: { message: 'The model `old-model` does not exist', type: 'invalid_request_error', code: 'model_not_found', param: null },
      },
    },
  },
];

const errorOf = <T>(result: Result<Interpreted<T>, StepError>): StepError | undefined => (result.ok ? undefined : result.error);

describe.each(WIRES)('the $name interpreter against a server that speaks its wire format', (wire) => {
  let provider: Provider;
  let url: string;
  const ask = (models: readonly string[] = ['first-model'], timeoutMs?: number): Promise<Result<Interpreted<Understanding>, StepError>> =>
    wire.connect(url, models, timeoutMs).parseRequirements({ text: 'Add login and logout', context: {} });

  beforeEach(async () => {
    provider = new Provider();
    url = await provider.start();
  });
  afterEach(() => provider.stop());

  it('sends the requirement as data with a schema, and returns what the model recorded, bounded', async () => {
    provider.replies = [wire.good(UNDERSTOOD)];
    const answer = await ask();
    expect(answer).toMatchObject({
      ok: true,
      value: {
        value: { items: [{ id: 'add-login' }, { id: 'add-logout', type: 'feature', priority: 'medium' }], metadata: { complexity: 10 } },
      },
    });
    const [request] = provider.seen;
    expect(request?.path).toBe(wire.path);
    expect(JSON.stringify(request?.body)).toContain('<requirement>\\nAdd login and logout\\n</requirement>');
    expect(JSON.stringify(request?.body)).toContain('"dependsOn"');
  });

  it('records provider, model, tokens, cost and latency', async () => {
    provider.replies = [wire.good(UNDERSTOOD)];
    const answer = await ask();
    const use = answer.ok ? answer.value.use : undefined;
    expect(use).toMatchObject({ provider: wire.name, inputTokens: 1000, outputTokens: 50, cached: false });
    expect(use?.costUsd).toBeGreaterThan(0);
    expect(use?.latencyMs).toBeGreaterThanOrEqual(0);
  });

  it('leaves the cost out when the price of the model is not known', async () => {
    provider.replies = [wire.good(UNDERSTOOD, 'brand-new-model')];
    const answer = await ask();
    expect(answer.ok && 'costUsd' in answer.value.use).toBe(false);
  });

  it('repairs an answer once, telling the model what was wrong, and counts both calls', async () => {
    provider.replies = [wire.good(CYCLE), wire.good(UNDERSTOOD)];
    const answer = await ask();
    expect(answer).toMatchObject({ ok: true, value: { use: { inputTokens: 2000, outputTokens: 100 } } });
    expect(JSON.stringify(provider.seen[1]?.body)).toContain('wait for each other: a, b');
  });

  it.each([
    ['text instead of an object', 'certainly!'],
    ['a list', []],
    ['items without titles', { items: [{}], metadata: {} }],
    ['no items', { items: [] }],
    ['a cycle', CYCLE],
  ])('fails with a validation error after two answers with %s', async (_, value) => {
    provider.replies = [wire.good(value)];
    expect(errorOf(await ask())).toMatchObject({ type: 'validation', retryable: false });
    expect(provider.seen).toHaveLength(2);
  });

  it('waits as long as the provider asks when it limits us', async () => {
    provider.replies = [
      { status: 429, headers: { 'retry-after': '7' }, body: { error: { type: 'rate_limit_error', message: 'slow down' } } },
    ];
    expect(errorOf(await ask())).toMatchObject({ type: 'rate_limit', retryable: true, retryAfterMs: 7_000 });
    expect(provider.seen).toHaveLength(1);
  });

  it('names a failing server a network error that may be tried again', async () => {
    provider.replies = [{ status: 500, body: { error: { type: 'api_error', message: 'boom' } } }];
    expect(errorOf(await ask())).toMatchObject({ type: 'network', retryable: true });
  });

  it('names a silent server a timeout', async () => {
    provider.replies = [{ silent: true }];
    expect(errorOf(await ask(['first-model'], 120))).toMatchObject({ type: 'timeout', retryable: true });
  });

  it('names an unreachable server a network error', async () => {
    await provider.stop();
    expect(errorOf(await ask())).toMatchObject({ type: 'network', retryable: true });
    await provider.start();
  });

  it('does not retry a refusal or an answer that is cut off', async () => {
    provider.replies = [wire.refusal];
    expect(errorOf(await ask())).toMatchObject({ type: 'validation', retryable: false, message: expect.stringContaining('declined') });
    provider.replies = [wire.cutOff];
    expect(errorOf(await ask())).toMatchObject({ type: 'validation', retryable: false, message: expect.stringContaining('longer than') });
  });

  it('names the variable, never the value, when the key is refused', async () => {
    provider.replies = [{ status: 401, body: { error: { type: 'authentication_error', message: 'invalid secret-key-1' } } }];
    const error = errorOf(await ask());
    expect(error).toMatchObject({ type: 'dependency', retryable: false });
    expect(error?.message).toContain(wire.keyName);
    expect(JSON.stringify(error)).not.toContain('secret-key-1');
  });

  it('falls back to the next model when one is retired, and remembers it', async () => {
    provider.replies = [wire.unknownModel, wire.good(UNDERSTOOD)];
    const interpreter = wire.connect(url, ['old-model', 'new-model']);
    expect((await interpreter.parseRequirements({ text: 'Add login', context: {} })).ok).toBe(true);
    expect((await interpreter.parseRequirements({ text: 'Add logout', context: {} })).ok).toBe(true);
    expect(provider.seen.map(({ body }) => body.model)).toEqual(['old-model', 'new-model', 'new-model']);
  });

  it('says so when no model of the list is known', async () => {
    provider.replies = [wire.unknownModel];
    expect(errorOf(await ask(['old-model', 'older-model']))).toMatchObject({ type: 'validation', retryable: false });
    expect(provider.seen).toHaveLength(2);
  });

  it('makes a plan of agent steps only, whatever the model asked for', async () => {
    provider.replies = [
      wire.good({
        steps: [
          {
            id: 'tm-merge-1',
            kind: 'change.merge',
            title: 'Merge it',
            instruction: 'Do the work.',
            dependsOn: [],
            acceptanceCriteria: ['x'],
          },
        ],
      }),
    ];
    const answer = await wire
      .connect(url, ['m'])
      .decomposeTask({ ...UNDERSTOOD, text: 'Add login', context: {}, hasRepository: true, enableAgentCoordination: true });
    expect(answer).toMatchObject({ ok: true, value: { value: { steps: [{ kind: 'agent.run', id: 'do-tm-merge-1' }] } } });
  });
});
