import { gzip } from 'node:zlib';
import type { Metrics } from '@taskmaster/service-kit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { admits, isOpen, ruleOf } from './access.js';
import { OPEN_IDENTITY, presentedKey, type Identity, type KeyRing } from './identity.js';
import { BODY_BYTES_MAX, ensureModestJson } from './json-body.js';
import { Problem } from './problem.js';
import type { RateLimit } from './rate-limit.js';
import type { RouteBook } from './routes.js';

/** Answers shorter than this are not worth compressing. */
const GZIP_BYTES_MIN = 16_384;
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const REQUEST_ID_PATTERN = /^[A-Za-z0-9_.:-]{1,100}$/;

/** What the edge needs to judge a request. `keys` is null where authentication is switched off. */
export interface EdgeParts {
  readonly keys: KeyRing | null;
  readonly limit: RateLimit;
  readonly metrics: Metrics;
  readonly routes: RouteBook;
}

/** Request ids: the client's when it can be one, else a short one of ours. */
export function requestIds(prefix: string): (request: { headers: Record<string, string | string[] | undefined> }) => string {
  let count = 0;
  return (request) => {
    const given = request.headers['x-request-id'];
    if (typeof given === 'string' && REQUEST_ID_PATTERN.test(given)) return given;
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}

/** Everything that happens to a request before a controller sees it and to an answer before it leaves. Call before routes are registered. */
export function guardEdge(fastify: FastifyInstance, parts: EdgeParts): void {
  fastify.decorateRequest('identity', null);
  fastify.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) parts.routes.add(method, route.url);
  });
  parseJsonOnly(fastify);
  admitRequests(fastify, parts);
  compressAnswers(fastify);
  measureRequests(fastify, parts.metrics);
}

/** JSON is the only body there is; it is bounded before it is parsed, an empty one is no body, and prototype members are refused. */
function parseJsonOnly(fastify: FastifyInstance): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'string', bodyLimit: BODY_BYTES_MAX }, (request, body, done) => {
    const text = String(body);
    if (text.trim() === '') {
      done(null, undefined);
      return;
    }
    try {
      ensureModestJson(text);
    } catch (error) {
      done(error as Error);
      return;
    }
    void parse(request, text, (error: Error | null, value?: unknown) => {
      if (error === null) done(null, value);
      else done(new Problem('malformed-json', error.message, { errors: [{ pointer: '', detail: error.message }] }));
    });
  });
}

function admitRequests(fastify: FastifyInstance, { keys, limit }: EdgeParts): void {
  const policy = `"requests";q=${String(limit.burst)};w=60`;
  const admit = (request: FastifyRequest, reply: FastifyReply, identity: Identity | null): Error | undefined => {
    const url = request.routeOptions.url;
    if (url === undefined) return undefined;
    const rule = ruleOf(request.method, url);
    if (isOpen(rule)) return undefined;
    if (identity === null)
      return new Problem('unauthenticated', 'Send a valid API key as "Authorization: Bearer tmk_…" or "X-API-Key: tmk_…".', {
        headers: { 'www-authenticate': 'Bearer realm="taskmaster"' },
      });
    if (!admits(rule, identity.role)) return new Problem('not-permitted', `The role ${identity.role} may not ${request.method} ${url}.`);
    request.identity = identity;
    const allowance = limit.take(identity.keyId);
    void reply.header('ratelimit-policy', policy);
    void reply.header('ratelimit', `"requests";r=${String(allowance.remaining)}`);
    if (!allowance.allowed)
      return new Problem('rate-limited', `At most ${String(limit.perMinute)} requests a minute.`, {
        retryAfterSeconds: allowance.retryAfterSeconds,
      });
    return undefined;
  };
  fastify.addHook('onRequest', (request, reply, done) => {
    stamp(request, reply);
    const key = keys === null ? undefined : presentedKey(request);
    if (keys === null) done(admit(request, reply, OPEN_IDENTITY));
    else if (key === undefined || request.routeOptions.url === undefined || isOpen(ruleOf(request.method, request.routeOptions.url)))
      done(admit(request, reply, null));
    else {
      const known = keys.recall(key);
      if (known !== undefined) done(admit(request, reply, known));
      else
        keys.find(key).then((found) => {
          done(admit(request, reply, found));
        }, done);
    }
  });
}

/** Headers that every answer carries. */
function stamp(request: FastifyRequest, reply: FastifyReply): void {
  const raw = reply.raw;
  raw.setHeader('x-request-id', request.id);
  raw.setHeader('x-content-type-options', 'nosniff');
  raw.setHeader('x-frame-options', 'DENY');
  raw.setHeader('referrer-policy', 'no-referrer');
  raw.setHeader('cache-control', 'no-store');
  const trace = request.headers['traceparent'];
  if (typeof trace === 'string' && isTraceparent(trace)) raw.setHeader('traceparent', trace);
}

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;
const isTraceparent = (text: string): boolean => TRACEPARENT.test(text);
/** The caller's trace context, when it is one. */
export function traceOf(request: FastifyRequest): string | undefined {
  const trace = request.headers['traceparent'];
  return typeof trace === 'string' && isTraceparent(trace) ? trace : undefined;
}

function compressAnswers(fastify: FastifyInstance): void {
  fastify.addHook('onSend', (request, reply, payload, done) => {
    const accepts = request.headers['accept-encoding'];
    if (
      typeof payload !== 'string' ||
      payload.length < GZIP_BYTES_MIN ||
      accepts === undefined ||
      !/\bgzip\b/.test(accepts) ||
      reply.hasHeader('content-encoding')
    ) {
      done(null, payload);
      return;
    }
    gzip(payload, (error, packed) => {
      if (error !== null) {
        done(null, payload);
        return;
      }
      void reply.header('content-encoding', 'gzip').header('vary', 'accept-encoding').removeHeader('content-length');
      done(null, packed);
    });
  });
}

function measureRequests(fastify: FastifyInstance, metrics: Metrics): void {
  const durations = metrics.histogram({
    name: 'taskmaster_http_request_duration_seconds',
    help: 'Time from the first byte of a request to the last of its answer.',
    labels: ['method', 'route', 'status'],
    buckets: DURATION_BUCKETS,
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    durations.observe(reply.elapsedTime / 1000, {
      method: request.method,
      route: request.routeOptions.url ?? 'unknown',
      status: reply.statusCode,
    });
    done();
  });
}
