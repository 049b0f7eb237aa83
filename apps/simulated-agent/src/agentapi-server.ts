import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { basename, join } from 'node:path';
import { ASSIGNMENT_HEADER } from './assignment-line.js';
import { AGENT_TYPE } from './conversation.js';
import { filePartOf } from './multipart.js';
import { OPENAPI } from './openapi.js';
import type { Session } from './session.js';

/** Bytes of a request body; upstream caps an upload at 10 MB. */
export const UPLOAD_BYTES_MAX = 10 * 1024 * 1024;
const HOSTS = ['localhost', '127.0.0.1', '[::1]'];

interface FieldFault {
  readonly message: string;
  readonly location: string;
}

class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

/** Serves one session as one agentapi server does: one port, one conversation. `uploads` is where uploaded files go. */
export function createAgentapiServer(session: Session, uploads: string): Server {
  return createServer((request, response) => {
    route({ session, uploads, request, response }).catch((error: unknown) => {
      if (error instanceof BadRequest) problem(response, 400, 'Bad Request', { detail: error.message });
      else problem(response, 500, 'Internal Server Error', { detail: 'unexpected error occurred' });
    });
  });
}

interface Exchange {
  readonly session: Session;
  readonly uploads: string;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function route(exchange: Exchange): Promise<void> {
  const { request, response, session } = exchange;
  if (!isAllowedHost(request.headers.host)) {
    response
      .writeHead(400, { 'content-type': 'text/plain; charset=utf-8' })
      .end('Invalid host header. Allowed hosts: localhost, 127.0.0.1, [::1]\n');
    return;
  }
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  switch (`${request.method ?? 'GET'} ${path}`) {
    case 'GET /status':
      await session.unlocked();
      return json(response, { status: session.conversation.status, agent_type: AGENT_TYPE, transport: 'pty' });
    case 'GET /messages':
      await session.unlocked();
      return json(response, { messages: session.conversation.messages });
    case 'POST /message':
      return postMessage(exchange);
    case 'POST /upload':
      return postUpload(exchange);
    case 'GET /events':
      return streamEvents(exchange);
    case 'GET /internal/screen':
      return streamScreen(exchange);
    case 'GET /openapi.json':
      return json(response, OPENAPI);
    default:
      return problem(response, 404, 'Not Found', { detail: 'no such path' });
  }
}

function isAllowedHost(header: string | undefined): boolean {
  if (header === undefined) return false;
  return HOSTS.includes(header.replace(/:\d+$/, ''));
}

async function postMessage({ session, request, response }: Exchange): Promise<void> {
  const body = parseJson(await readBody(request));
  const faults = faultsOf(body);
  if (faults.length > 0) return problem(response, 422, 'Unprocessable Entity', { detail: 'validation failed', errors: faults });
  const { type, content } = body as { readonly type: 'user' | 'raw'; readonly content: string };
  const header = request.headers[ASSIGNMENT_HEADER];
  const answer = await session.post(type, content, typeof header === 'string' ? header : undefined);
  if (answer.kind === 'ok') return json(response, { ok: true });
  if (answer.kind === 'silence') {
    response.destroy();
    return;
  }
  if (answer.retryAfterSeconds !== undefined) response.setHeader('retry-after', String(answer.retryAfterSeconds));
  const titles: Readonly<Record<number, string>> = {
    422: 'Unprocessable Entity',
    500: 'Internal Server Error',
    503: 'Service Unavailable',
  };
  const detail = answer.status === 422 ? 'validation failed' : 'unexpected error occurred';
  problem(response, answer.status, titles[answer.status] ?? 'Error', { detail, errors: [{ message: answer.message }] });
}

function faultsOf(body: unknown): readonly FieldFault[] {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return [{ message: 'expected object', location: 'body' }];
  const bag = body as Readonly<Record<string, unknown>>;
  const unexpected = Object.keys(bag).filter((key) => !['content', 'type', '$schema'].includes(key));
  const faults: FieldFault[] = unexpected.map((key) => ({ message: 'unexpected property', location: `body.${key}` }));
  for (const key of ['content', 'type']) {
    const value = bag[key];
    if (value === undefined) faults.push({ message: `expected required property ${key} to be present`, location: 'body' });
    else if (typeof value !== 'string') faults.push({ message: 'expected string', location: `body.${key}` });
    else if (key === 'type' && value !== 'user' && value !== 'raw') {
      faults.push({ message: 'expected value to be one of "user, raw"', location: 'body.type' });
    }
  }
  return faults;
}

async function postUpload({ uploads, request, response }: Exchange): Promise<void> {
  const part = filePartOf(await readBody(request), request.headers['content-type'] ?? '');
  if (part === undefined)
    return problem(response, 422, 'Unprocessable Entity', {
      detail: 'validation failed',
      errors: [{ message: 'File required', location: 'file' }],
    });
  const folder = join(uploads, createHash('sha256').update(part.content).digest('hex').slice(0, 16));
  const filePath = join(folder, basename(part.name.replaceAll('\\', '/')) || 'file');
  await mkdir(folder, { recursive: true });
  await writeFile(filePath, part.content);
  json(response, { ok: true, filePath });
}

/** Replays the history, then follows; a listener is dropped by closing its stream. */
function streamEvents({ session, request, response }: Exchange): void {
  openStream(response);
  const unsubscribe = session.conversation.subscribe({
    event: (event) => response.write(`event: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`),
    dropped: () => response.end(),
  });
  request.on('close', unsubscribe);
}

function streamScreen({ session, request, response }: Exchange): void {
  openStream(response);
  const send = (): boolean => response.write(`event: screen\ndata: ${JSON.stringify({ screen: session.conversation.screen })}\n\n`);
  send();
  const unsubscribe = session.conversation.follow({ event: () => void send(), dropped: () => response.end() });
  request.on('close', unsubscribe);
}

function openStream(response: ServerResponse): void {
  response.socket?.setNoDelay(true);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.flushHeaders();
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > UPLOAD_BYTES_MAX) throw new BadRequest('request body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new BadRequest('the body is not JSON');
  }
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function problem(
  response: ServerResponse,
  status: number,
  title: string,
  more: { readonly detail: string; readonly errors?: readonly object[] },
): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': 'application/problem+json' }).end(JSON.stringify({ title, status, ...more }));
}
