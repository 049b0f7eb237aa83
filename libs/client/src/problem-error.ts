/** One thing that is wrong with a request. */
export interface ProblemPointer {
  readonly pointer?: string;
  readonly parameter?: string;
  readonly detail: string;
}

/** An RFC 9457 document as the platform sends it; further members depend on the code. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly instance?: string;
  readonly errors?: readonly ProblemPointer[];
  readonly [member: string]: unknown;
}

/** The platform said no, and why. Match by `code`, never by message. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';
  readonly code: string;
  readonly status: number;

  constructor(
    readonly problem: ProblemDocument,
    readonly retryAfterSeconds?: number,
  ) {
    super(`${problem.title}: ${problem.detail}`);
    this.code = problem.code;
    this.status = problem.status;
  }
}

/** The platform could not be reached, or broke off; nobody knows what became of the request. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  readonly code = 'connection-failed';
  readonly retryable = true;
}

/** The problem of an answer that is none of 2xx; one is made up when something in between answered instead. */
export async function problemErrorOf(response: Response): Promise<ProblemError> {
  const retryAfter = Number(response.headers.get('retry-after'));
  const seconds = Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : undefined;
  const text = await response.text().catch(() => '');
  return new ProblemError(documentOf(text) ?? strangeAnswer(response), seconds);
}

function documentOf(text: string): ProblemDocument | undefined {
  try {
    const found = JSON.parse(text) as Partial<ProblemDocument> | null;
    return typeof found?.code === 'string' && typeof found.status === 'number' ? (found as ProblemDocument) : undefined;
  } catch {
    return undefined;
  }
}

const strangeAnswer = (response: Response): ProblemDocument => ({
  type: 'about:blank',
  title: response.statusText || 'Unexpected answer',
  status: response.status,
  detail: `${response.url} answered ${String(response.status)} without a problem document; is it the platform?`,
  code: 'unexpected-answer',
});
