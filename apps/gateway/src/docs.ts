import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { Problem } from './problem.js';

/** The files of the documentation page that may be fetched, and nothing else of that package. */
const ASSETS: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
};

const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>TaskMaster API</title><link rel="stylesheet" href="/api/docs/swagger-ui.css"></head>
<body><div id="docs"></div><script src="/api/docs/swagger-ui-bundle.js"></script><script src="/api/docs/start.js"></script></body>
</html>
`;
const START = `SwaggerUIBundle({ url: '/api/docs/openapi.json', dom_id: '#docs' });\n`;

/** Serves the API document and a page for it. What they need is loaded by the first visitor: an idle gateway does not carry it. */
export function serveDocs(fastify: FastifyInstance, app: NestFastifyApplication): void {
  let document: Promise<unknown> | undefined;
  fastify.get('/api/docs', async (_request, reply) => reply.header('content-type', 'text/html; charset=utf-8').send(PAGE));
  fastify.get('/api/docs/openapi.json', async (_request, reply) => {
    document ??= import('./openapi-document.js').then(({ openApiDocument }) => openApiDocument(app));
    return reply.send(await document);
  });
  fastify.get<{ Params: { asset: string } }>('/api/docs/:asset', async (request, reply) => {
    const { asset } = request.params;
    if (asset === 'start.js') return reply.header('content-type', 'text/javascript; charset=utf-8').send(START);
    const type = Object.hasOwn(ASSETS, asset) ? ASSETS[asset] : undefined;
    if (type === undefined) throw new Problem('route-not-found', 'There is no such file.');
    const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
    return reply.header('content-type', type).send(createReadStream(join(folder, asset)));
  });
}
