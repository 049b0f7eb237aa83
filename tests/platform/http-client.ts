import { Agent, request } from 'node:http';

export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface HttpClient {
  call(
    method: string,
    path: string,
    options?: { readonly body?: unknown; readonly headers?: Readonly<Record<string, string>>; readonly timeoutMs?: number },
  ): Promise<HttpAnswer>;
  close(): void;
}

const SOCKETS_MAX = 512;
const REQUEST_MS_MAX = 120_000;

/** The cheapest JSON client that Node has: one keep-alive agent, no framework. */
export function httpClient(address: string, apiKey: string): HttpClient {
  const { hostname, port } = new URL(address);
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  return {
    call: (method, path, { body, headers = {}, timeoutMs = REQUEST_MS_MAX } = {}) =>
      new Promise((resolve, reject) => {
        const text = body === undefined ? undefined : JSON.stringify(body);
        const content = text === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) };
        const sent = request(
          { hostname, port, method, path, agent, headers: { authorization: `Bearer ${apiKey}`, ...content, ...headers } },
          (response) => {
            let received = '';
            response.setEncoding('utf8');
            response.on('data', (chunk: string) => (received += chunk));
            response.on('end', () => {
              try {
                resolve({ status: response.statusCode ?? 0, body: received === '' ? undefined : JSON.parse(received) });
              } catch (error) {
                reject(error instanceof Error ? error : new Error(String(error)));
              }
            });
            response.on('error', reject);
          },
        );
        sent.setTimeout(timeoutMs, () => sent.destroy(new Error(`no answer to ${method} ${path} within ${String(timeoutMs)} ms`)));
        sent.on('error', reject);
        sent.end(text);
      }),
    close: () => {
      agent.destroy();
    },
  };
}
