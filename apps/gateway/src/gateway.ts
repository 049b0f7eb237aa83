import { randomBytes } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { serveDocs } from './docs.js';
import { guardEdge, requestIds } from './edge.js';
import { GatewayModule, type GatewayParts } from './gateway.module.js';
import { Health } from './health.js';
import { KeyRing } from './identity.js';
import { BODY_BYTES_MAX } from './json-body.js';
import { LiveHub } from './live/live-hub.js';
import { WaitingRoom } from './live/waiting-room.js';
import { patientDoors } from './patience.js';
import { ProblemFilter } from './problem.filter.js';
import { RateLimit } from './rate-limit.js';
import { RouteBook } from './routes.js';
import { edgeValidation } from './validation.js';

const HEADER_BYTES_MAX = 16 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 65_000;
/** How long requests in flight may take when the process goes. */
const DRAIN_MS_MAX = 5_000;
const IDLE_CHECK_MS = 50;

/** A gateway that can listen. */
export interface Gateway {
  readonly app: NestFastifyApplication;
  readonly fastify: FastifyInstance;
  readonly routes: RouteBook;
  /** The port, where 0 picks a free one. */
  listen(host: string, port: number): Promise<number>;
  /** Not ready from here on; ends live connections and waits, then finishes what is in flight. */
  close(): Promise<void>;
}

export async function createGateway(given: GatewayParts): Promise<Gateway> {
  const parts = patientDoors(given);
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: REQUEST_TIMEOUT_MS },
    genReqId: requestIds(randomBytes(6).toString('hex')),
    routerOptions: { ignoreTrailingSlash: true },
    return503OnClosing: false,
  });
  const app = await NestFactory.create<NestFastifyApplication>(
    GatewayModule.of(() => parts),
    adapter,
    { logger: ['error', 'fatal'], bodyParser: false, abortOnError: false },
  );
  const fastify = app.getHttpAdapter().getInstance();
  const routes = new RouteBook();
  guardEdge(fastify, {
    routes,
    metrics: parts.metrics,
    keys: parts.authentication ? new KeyRing(parts.asker, parts.now) : null,
    limit: new RateLimit(parts.requestsPerMinute, parts.requestsPerMinute, parts.now),
  });
  serveDocs(fastify, app);
  app.useGlobalPipes(edgeValidation());
  app.useGlobalFilters(new ProblemFilter(routes, parts.log));
  await app.init();
  await fastify.ready();
  return {
    app,
    fastify,
    routes,
    listen: async (host, port) => {
      await app.listen(port, host);
      const address = app.getHttpServer().address() as { port: number } | null;
      return address?.port ?? port;
    },
    close: async () => {
      app.get(Health).drain();
      app.get(WaitingRoom).close();
      app.get(LiveHub).close();
      const server = fastify.server;
      // Connections that a client keeps open without a request would hold the process for as long as they please.
      const idle = setInterval(() => {
        server.closeIdleConnections();
      }, IDLE_CHECK_MS);
      const force = setTimeout(() => {
        server.closeAllConnections();
      }, DRAIN_MS_MAX);
      await app.close();
      clearInterval(idle);
      clearTimeout(force);
    },
  };
}
