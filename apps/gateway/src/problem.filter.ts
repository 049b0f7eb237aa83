import { Catch, HttpException, HttpStatus, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { Fault } from '@taskmaster/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { EdgeLog } from './edge-log.js';
import { Problem, type ProblemCode, type ProblemExtras } from './problem.js';
import type { RouteBook } from './routes.js';

interface Meaning {
  readonly status: number;
  readonly title: string;
}

const bad = (title: string): Meaning => ({ status: HttpStatus.BAD_REQUEST, title });
const missing = (title: string): Meaning => ({ status: HttpStatus.NOT_FOUND, title });
const conflict = (title: string): Meaning => ({ status: HttpStatus.CONFLICT, title });
const unprocessable = (title: string): Meaning => ({ status: HttpStatus.UNPROCESSABLE_ENTITY, title });
const unavailable = (title: string): Meaning => ({ status: HttpStatus.SERVICE_UNAVAILABLE, title });

/** The one table from codes to statuses. A code without a row does not compile. */
export const MEANINGS: Readonly<Record<ProblemCode, Meaning>> = {
  'malformed-request': bad('The request is malformed'),
  'malformed-json': bad('The body is not valid JSON'),
  'invalid-request': bad('The request is not valid'),
  'malformed-command': bad('The command is malformed'),
  unauthenticated: { status: HttpStatus.UNAUTHORIZED, title: 'A valid API key is required' },
  'not-permitted': { status: HttpStatus.FORBIDDEN, title: 'The role of this key does not permit this' },
  'tenant-mismatch': missing('There is no such thing here'),
  'route-not-found': missing('There is no such route'),
  'workflow-not-found': missing('There is no such workflow'),
  'escalation-not-found': missing('There is no such escalation'),
  'agent-not-found': missing('There is no such agent'),
  'api-key-not-found': missing('There is no such API key'),
  'method-not-allowed': { status: HttpStatus.METHOD_NOT_ALLOWED, title: 'This route does not take this method' },
  'workflow-already-exists': conflict('The workflow exists already'),
  'workflow-ended': conflict('The workflow has ended'),
  'workflow-paused': conflict('The workflow is paused'),
  'workflow-not-paused': conflict('The workflow is not paused'),
  'workflow-merging': conflict('The merge has started and cannot be undone'),
  'workflow-cancelling': conflict('The workflow is being cancelled'),
  'workflow-drives-itself': conflict('The workflow moves by itself'),
  'invalid-transition': conflict('This transition is not allowed'),
  'request-in-flight': conflict('The same request is in flight'),
  'api-key-already-issued': conflict('The API key was issued already'),
  'body-too-large': { status: HttpStatus.PAYLOAD_TOO_LARGE, title: 'The body is too large' },
  'requirement-too-large': { status: HttpStatus.PAYLOAD_TOO_LARGE, title: 'The requirement is too large' },
  'event-too-large': { status: HttpStatus.PAYLOAD_TOO_LARGE, title: 'The request is too large to be recorded' },
  'unsupported-media-type': { status: HttpStatus.UNSUPPORTED_MEDIA_TYPE, title: 'The body must be application/json' },
  'command-reused': unprocessable('This Idempotency-Key was used for another request'),
  'unsupported-source': unprocessable('This source is not supported'),
  'plan-empty': unprocessable('The plan has no steps'),
  'plan-too-many-steps': unprocessable('The plan has too many steps'),
  'plan-duplicate-step': unprocessable('Two steps of the plan have the same id'),
  'plan-unknown-dependency': unprocessable('A step depends on a step that is not in the plan'),
  'plan-cycle': unprocessable('The plan has a cycle'),
  'plan-invalid-step': unprocessable('A step of the plan is not valid'),
  'workflow-too-deep': unprocessable('Child workflows lie too deep'),
  'repository-required': unprocessable('This needs a repository'),
  'parsing-failed': unprocessable('The requirement could not be understood'),
  'rate-limited': { status: HttpStatus.TOO_MANY_REQUESTS, title: 'Too many requests' },
  'too-many-streams': { status: HttpStatus.TOO_MANY_REQUESTS, title: 'Too many live connections' },
  'state-unavailable': unavailable('The platform cannot answer at the moment'),
  'still-busy': unavailable('A limit of the platform is full'),
  'requirement-not-parsed-in-time': { status: HttpStatus.GATEWAY_TIMEOUT, title: 'The requirement was not understood in time' },
  'internal-error': { status: HttpStatus.INTERNAL_SERVER_ERROR, title: 'Something went wrong on our side' },
};

/** Codes for what Nest and Fastify refuse by themselves. */
const CODE_OF_STATUS: ReadonlyMap<number, ProblemCode> = new Map<number, ProblemCode>([
  [HttpStatus.BAD_REQUEST, 'malformed-request'],
  [HttpStatus.NOT_FOUND, 'route-not-found'],
  [HttpStatus.METHOD_NOT_ALLOWED, 'method-not-allowed'],
  [HttpStatus.PAYLOAD_TOO_LARGE, 'body-too-large'],
  [HttpStatus.UNSUPPORTED_MEDIA_TYPE, 'unsupported-media-type'],
]);

export const problemTypeOf = (code: ProblemCode): string => `urn:taskmaster:problem:${code}`;

/** RFC 9457 document of a code. */
export function problemDocument(
  code: ProblemCode,
  detail: string,
  extras: ProblemExtras & { readonly instance?: string } = {},
): Record<string, unknown> {
  const meaning = MEANINGS[code];
  return {
    ...extras.members,
    type: problemTypeOf(code),
    title: meaning.title,
    status: meaning.status,
    detail,
    ...(extras.instance === undefined ? {} : { instance: extras.instance }),
    code,
    ...(extras.errors === undefined ? {} : { errors: extras.errors }),
  };
}

/** Statuses and messages that Fastify puts on its own errors. */
function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}

/** Turns whatever was thrown into a problem; nothing of an unexpected error reaches the client. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof Fault)
    return new Problem('state-unavailable', 'No answer in time; ask again with the same Idempotency-Key.', {
      retryAfterSeconds: 1,
      cause: error,
    });
  const status = statusOf(error);
  const code = status === undefined ? undefined : CODE_OF_STATUS.get(status);
  if (code !== undefined && error instanceof Error) return new Problem(code, error.message, { cause: error });
  return new Problem('internal-error', 'The error was logged under the request id of this response.', { cause: error });
}

/** The only place where a refusal becomes a status code and a document. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly routes: RouteBook,
    private readonly log: EdgeLog,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  /** Writes the problem of an error; used by Fastify's hooks as well, which run before Nest. */
  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const problem = this.refine(problemOf(error), request);
    const extras = problem.extras;
    const { status } = MEANINGS[problem.code];
    if (status >= 500)
      this.log.warn(
        { code: problem.code, requestId: request.id, method: request.method, url: request.url, err: extras.cause },
        'request failed',
      );
    if (reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    if (extras.retryAfterSeconds !== undefined) void reply.header('retry-after', String(extras.retryAfterSeconds));
    void reply.headers(extras.headers ?? {});
    void reply
      .code(status)
      .header('content-type', 'application/problem+json; charset=utf-8')
      .send(JSON.stringify(problemDocument(problem.code, problem.detail, { ...extras, instance: request.url })));
  }

  /** A path that exists with another method is 405 with `Allow`, not 404; also one that was taken for the id of a workflow. */
  private refine(problem: Problem, request: FastifyRequest): Problem {
    if (problem.code !== 'route-not-found' && problem.code !== 'workflow-not-found') return problem;
    const methods = this.routes.methodsOf(request.url);
    if (methods.length === 0 || methods.includes(request.method)) return problem;
    return new Problem('method-not-allowed', `${request.method} is not possible here; ${methods.join(', ')} is.`, {
      headers: { allow: methods.join(', ') },
    });
  }
}
