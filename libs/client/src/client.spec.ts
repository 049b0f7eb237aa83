import { afterEach, describe, expect, it } from '@jest/globals';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConnectionError, createClient, ProblemError, type LiveEvent } from './index.js';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A server that answers as told, on a free loopback port. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

const problem = (response: ServerResponse, status: number, code: string, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers });
  response.end(JSON.stringify({ type: `urn:x:${code}`, title: 'No', status, detail: 'because', code, allowedTransitions: ['failed'] }));
};
const sse = (position: number, type = 'StepReadied'): string =>
  `id: ${String(position)}\nevent: ${type}\ndata: ${JSON.stringify({ position, type, stream: 'workflow-w', version: position, at: '', data: {} })}\n\n`;

describe('a refusal', () => {
  it('is an error with the code and the members of the document', async () => {
    const client = createClient({
      baseUrl: await serve((_request, response) => {
        problem(response, 409, 'invalid-transition');
      }),
    });
    const error = await client.pause('wf_1').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ProblemError);
    expect(error).toMatchObject({ code: 'invalid-transition', status: 409, problem: { allowedTransitions: ['failed'] } });
  });

  it('that passes is asked again with the same idempotency key', async () => {
    const keys: unknown[] = [];
    const client = createClient({
      baseUrl: await serve((request, response) => {
        keys.push(request.headers['idempotency-key']);
        if (keys.length === 1) problem(response, 503, 'state-unavailable');
        else response.writeHead(202, { 'content-type': 'application/json' }).end('{"workflowId":"wf_1","links":{}}');
      }),
    });
    expect(await client.execute({ requirement: 'x' })).toMatchObject({ workflowId: 'wf_1', finished: null });
    expect(keys).toHaveLength(2);
    expect(keys[0]).toBe(keys[1]);
  });

  it('by something that is not the platform says so', async () => {
    const client = createClient({
      baseUrl: await serve((_request, response) => {
        response.writeHead(404).end('<html>');
      }),
    });
    await expect(client.getWorkflow('x')).rejects.toMatchObject({ code: 'unexpected-answer', status: 404 });
  });
});

describe('a platform that nobody runs', () => {
  it('is a connection error', async () => {
    const url = await serve(() => undefined);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    await expect(createClient({ baseUrl: url, attemptsMax: 1 }).health()).rejects.toBeInstanceOf(ConnectionError);
  });
});

describe('the health of a platform', () => {
  it('is an answer also when it is down', async () => {
    const client = createClient({
      baseUrl: await serve((_request, response) => {
        response.writeHead(503).end(JSON.stringify({ status: 'down', components: {} }));
      }),
    });
    expect(await client.health()).toMatchObject({ status: 'down' });
  });
});

describe('events', () => {
  it('are resumed after the last one when the connection breaks, each given once, until the workflow has ended', async () => {
    const resumed: unknown[] = [];
    const baseUrl = await serve((request, response) => {
      resumed.push(request.headers['last-event-id']);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      if (resumed.length === 1) {
        // Cut in the middle of an event, after a comment and a retry hint.
        response.write(`retry: 1000\n\n: hello\n\n${sse(1)}${sse(2)}id: 3\ndata: {"posi`, () => request.socket.destroy());
      } else response.write(`${sse(2)}${sse(3)}${sse(4, 'WorkflowEnded')}`);
    });
    const seen: LiveEvent[] = [];
    for await (const event of createClient({ baseUrl }).events({ workflowId: 'w' })) seen.push(event);
    expect(seen.map((event) => event.position)).toEqual([1, 2, 3, 4]);
    expect(resumed).toEqual([undefined, '2']);
  });

  it('end at once when the reader stops', async () => {
    const stop = new AbortController();
    const baseUrl = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(sse(1));
    });
    const seen: LiveEvent[] = [];
    for await (const event of createClient({ baseUrl }).events({ signal: stop.signal })) {
      seen.push(event);
      stop.abort();
    }
    expect(seen).toHaveLength(1);
  });

  it('of an unknown workflow are a refusal, not an endless try', async () => {
    const client = createClient({
      baseUrl: await serve((_request, response) => {
        problem(response, 404, 'workflow-not-found');
      }),
    });
    await expect(client.events({ workflowId: 'ghost' }).next()).rejects.toMatchObject({ code: 'workflow-not-found' });
  });
});
