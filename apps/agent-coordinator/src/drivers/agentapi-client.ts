import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';

export type AgentStatus = 'running' | 'stable';

export interface AgentMessage {
  readonly id: number;
  readonly role: string;
  readonly text: string;
}

/** What became of a POST. Only `busy`, `overloaded` and `unreachable` are sure to have delivered nothing. */
export type PostReply =
  | { readonly kind: 'taken' }
  | { readonly kind: 'busy' }
  | { readonly kind: 'overloaded'; readonly retryAfterMs?: number }
  | { readonly kind: 'unreachable' }
  /** The terminal did not settle or did not react: the text may sit in the input box, or may have been taken. */
  | { readonly kind: 'unsettled'; readonly message: string }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string }
  | { readonly kind: 'ambiguous'; readonly message: string };

/** The server did not answer as agentapi does, or not in time. */
export class AgentapiFault extends Error {
  override readonly name = 'AgentapiFault';
  readonly code: 'refused-connection' | 'timeout' | 'broken';

  constructor(code: 'refused-connection' | 'timeout' | 'broken', message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Bytes of an answer; a longer one is a fault. */
export const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
/** Bytes of one server-sent event. */
export const EVENT_BYTES_MAX = 16 * 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  readonly text: string;
}

export interface StreamListener {
  event(name: string, data: unknown): void;
  /** The stream is over, whatever the reason. Called once. */
  ended(): void;
}

/** Speaks to one agentapi server. Holds no state but the address, so it can be made anew at any time. */
export class AgentapiClient {
  readonly #base: URL;
  readonly #key: string | undefined;

  /**
   * `key` goes to a reverse proxy in front of the server as a bearer token; agentapi itself has no authentication.
   * @throws AgentapiFault when the base is not an http or https address
   */
  constructor(base: string, key: string | undefined) {
    const url = base.endsWith('/') ? base : `${base}/`;
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw new AgentapiFault('broken', 'the endpoint is not an http address');
    this.#base = new URL(url);
    this.#key = key;
  }

  /** @throws AgentapiFault */
  async status(timeoutMs: number): Promise<{ readonly status: AgentStatus; readonly agentType: string }> {
    const body = await this.#getJson('status', timeoutMs);
    if (body['status'] !== 'running' && body['status'] !== 'stable')
      throw new AgentapiFault('broken', 'the status is none that agentapi knows');
    return { status: body['status'], agentType: String(body['agent_type']) };
  }

  /** @throws AgentapiFault */
  async messages(timeoutMs: number): Promise<readonly AgentMessage[]> {
    const body = await this.#getJson('messages', timeoutMs);
    const list = Array.isArray(body['messages']) ? (body['messages'] as readonly Record<string, unknown>[]) : [];
    return list.map((item) => ({ id: Number(item['id']), role: String(item['role']), text: String(item['content']) }));
  }

  /** Posts on a socket of its own, so that a wedged server blocks nothing else. Never throws. */
  async post(
    type: 'user' | 'raw',
    content: string,
    options: { readonly timeoutMs: number; readonly headers?: Readonly<Record<string, string>> },
  ): Promise<PostReply> {
    try {
      const body = JSON.stringify({ content, type });
      const headers = { ...options.headers, 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
      const answer = await this.#ask('message', { method: 'POST', headers, agent: false }, { body, timeoutMs: options.timeoutMs });
      return replyOf(answer);
    } catch (error) {
      if (error instanceof AgentapiFault && error.code === 'refused-connection') return { kind: 'unreachable' };
      return { kind: 'ambiguous', message: error instanceof Error ? error.message : String(error) };
    }
  }

  /** What the terminal shows, from the undocumented stream; undefined where the server has none. */
  screen(timeoutMs: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      let close: () => void = () => undefined;
      const finish = (screen: string | undefined): void => {
        clearTimeout(timer);
        close();
        resolve(screen);
      };
      const timer = setTimeout(() => {
        finish(undefined);
      }, timeoutMs);
      const event = (_name: string, data: unknown): void => {
        const screen = (data as { readonly screen?: unknown } | null)?.screen;
        finish(typeof screen === 'string' ? screen : undefined);
      };
      close = this.stream('internal/screen', {
        event,
        ended: () => {
          finish(undefined);
        },
      });
    });
  }

  /** Opens a stream of server-sent events; returns what closes it. */
  stream(path: string, listener: StreamListener): () => void {
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      listener.ended();
    };
    const request = this.#request(path, { method: 'GET', headers: { accept: 'text/event-stream' }, agent: false });
    request.on('error', end);
    request.on('response', (response: IncomingMessage) => {
      response.on('close', end);
      response.on('error', end);
      if (response.statusCode !== 200) {
        response.destroy();
        return;
      }
      readEvents(response, (name, data) => {
        if (!over) listener.event(name, data);
      });
    });
    request.end();
    return () => {
      over = true;
      request.destroy();
    };
  }

  async #getJson(path: string, timeoutMs: number): Promise<Readonly<Record<string, unknown>>> {
    const answer = await this.#ask(path, { method: 'GET', headers: {} }, { timeoutMs });
    if (answer.status !== 200) throw new AgentapiFault('broken', `GET /${path} answered ${String(answer.status)}`);
    try {
      const body: unknown = JSON.parse(answer.text);
      if (typeof body === 'object' && body !== null) return body as Readonly<Record<string, unknown>>;
    } catch (error) {
      throw new AgentapiFault('broken', `GET /${path} did not answer JSON`, { cause: error });
    }
    throw new AgentapiFault('broken', `GET /${path} did not answer an object`);
  }

  #request(path: string, options: RequestOptions): ReturnType<typeof httpRequest> {
    const url = new URL(path, this.#base);
    const authorization = this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` };
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    return send(url, { ...options, headers: { ...(options.headers as Record<string, string>), ...authorization } });
  }

  #ask(path: string, options: RequestOptions, how: { readonly body?: string; readonly timeoutMs: number }): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const request = this.#request(path, options);
      const timer = setTimeout(() => {
        request.destroy(new AgentapiFault('timeout', `no answer within ${String(how.timeoutMs)} ms`));
      }, how.timeoutMs);
      const fail = (error: Error): void => {
        clearTimeout(timer);
        reject(faultOf(error));
      };
      request.on('error', fail);
      request.on('response', (response) => {
        readText(response).then((text) => {
          clearTimeout(timer);
          resolve({ status: response.statusCode ?? 0, retryAfterMs: retryAfterOf(response), text });
        }, fail);
      });
      request.end(how.body);
    });
  }
}

function faultOf(error: Error): AgentapiFault {
  if (error instanceof AgentapiFault) return error;
  const code = (error as NodeJS.ErrnoException).code;
  const refused = code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'EHOSTUNREACH' || code === 'EAI_AGAIN';
  return new AgentapiFault(refused ? 'refused-connection' : 'broken', `the connection failed (${code ?? error.message})`, { cause: error });
}

/** Upstream answers nearly everything with 500, so the cause is told by the text of its errors (agentapi 0.12). */
const CAUSES: readonly { readonly pattern: RegExp; readonly reply: (message: string, status: number) => PostReply }[] = [
  { pattern: /waiting for user input|can only be sent when/i, reply: () => ({ kind: 'busy' }) },
  { pattern: /must not be empty/i, reply: (message, status) => ({ kind: 'refused', status, message }) },
  { pattern: /failed to wait for (screen|processing)/i, reply: (message) => ({ kind: 'unsettled', message }) },
];

function replyOf({ status, text, retryAfterMs }: Answer): PostReply {
  if (status === 200) return { kind: 'taken' };
  if (status === 429 || status === 503) return retryAfterMs === undefined ? { kind: 'overloaded' } : { kind: 'overloaded', retryAfterMs };
  const message = causeOf(text);
  if (status >= 400 && status < 500) return { kind: 'refused', status, message };
  const known = CAUSES.find(({ pattern }) => pattern.test(message));
  return known?.reply(message, status) ?? { kind: 'ambiguous', message: message === '' ? `answered ${String(status)}` : message };
}

function causeOf(text: string): string {
  try {
    const body = JSON.parse(text) as { readonly detail?: string; readonly errors?: readonly { readonly message?: string }[] } | null;
    const causes = (body?.errors ?? []).map((item) => item.message ?? '');
    return [body?.detail ?? '', ...causes].filter((part) => part !== '').join(': ');
  } catch {
    return text.slice(0, 500);
  }
}

function retryAfterOf(response: IncomingMessage): number | undefined {
  const seconds = Number(response.headers['retry-after']);
  return Number.isFinite(seconds) && response.headers['retry-after'] !== undefined ? seconds * 1000 : undefined;
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > ANSWER_BYTES_MAX) throw new AgentapiFault('broken', 'the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function readEvents(response: IncomingMessage, emit: (name: string, data: unknown) => void): void {
  let buffer = '';
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    buffer += chunk;
    if (buffer.length > EVENT_BYTES_MAX) {
      response.destroy();
      return;
    }
    const blocks = buffer.replaceAll('\r\n', '\n').split('\n\n');
    buffer = blocks.pop() ?? '';
    for (const block of blocks) emitBlock(block, emit);
  });
}

function emitBlock(block: string, emit: (name: string, data: unknown) => void): void {
  const field = (name: string): string =>
    block
      .split('\n')
      .filter((line) => line.startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).trimStart())
      .join('\n');
  const data = field('data');
  if (data === '') return;
  try {
    emit(field('event'), JSON.parse(data));
  } catch {
    // A block that is no JSON was cut or is none of agentapi's; the next one rewrites the same message.
  }
}
