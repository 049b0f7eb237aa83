import type { RejectionCode } from '@taskmaster/contracts';

/** Why the gateway itself refuses, beside the codes of the rules. */
export const GATEWAY_CODES = [
  'malformed-request',
  'malformed-json',
  'invalid-request',
  'route-not-found',
  'method-not-allowed',
  'body-too-large',
  'unsupported-media-type',
  'unauthenticated',
  'not-permitted',
  'rate-limited',
  'too-many-streams',
  'state-unavailable',
  'request-in-flight',
  'still-busy',
  'parsing-failed',
  'requirement-not-parsed-in-time',
  'internal-error',
] as const;
export type GatewayCode = (typeof GATEWAY_CODES)[number];
export type ProblemCode = GatewayCode | RejectionCode;

/** One thing that is wrong with a request: a JSON pointer into its body, or the name of a parameter. */
export interface ProblemDetail {
  readonly pointer?: string;
  readonly parameter?: string;
  readonly detail: string;
}

export interface ProblemExtras {
  readonly errors?: readonly ProblemDetail[];
  /** Extension members of the document: `allowedTransitions`, the steps of a cycle, … */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly retryAfterSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** A refusal on its way to the client. What it looks like on the wire, and with which status, is decided in `problem.filter.ts`. */
export class Problem extends Error {
  override readonly name = 'Problem';

  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    readonly extras: ProblemExtras = {},
  ) {
    super(`${code}: ${detail}`, extras.cause === undefined ? undefined : { cause: extras.cause });
  }
}

export const unknownWorkflow = (id: string): Problem => new Problem('workflow-not-found', `There is no workflow ${id}.`);
