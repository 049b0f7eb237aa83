import { createServer, type IncomingMessage } from 'node:http';
import type { RunWork } from './role.js';

/** The cheapest server that Node has: every request is one workflow, answered when it is complete. */
export function serveWork(port: number, run: RunWork): Promise<void> {
  const server = createServer((request, response) => {
    const end = (status: number, body: unknown): void => {
      const text = JSON.stringify(body);
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
    };
    bodyOf(request)
      .then((text) => run(JSON.parse(text) as Parameters<RunWork>[0]))
      .then(
        () => {
          end(200, { status: 'completed' });
        },
        (error: unknown) => {
          end(500, { error: String(error) });
        },
      );
  });
  return new Promise((listening) => server.listen(port, '127.0.0.1', listening));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
  return text;
}
