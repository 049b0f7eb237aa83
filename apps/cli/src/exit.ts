import { ConnectionError, ProblemError } from '@taskmaster/client';

/** What a command's end means to the shell. */
export const EXIT = { ok: 0, failed: 1, usage: 2, notFound: 3, auth: 4, conflict: 5, timeout: 6, interrupted: 130 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A command that cannot go on; `message` says what is wrong and what to do. */
export class CommandFault extends Error {
  override readonly name = 'CommandFault';
  constructor(
    message: string,
    readonly exit: ExitCode = EXIT.failed,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const BY_STATUS: ReadonlyMap<number, ExitCode> = new Map<number, ExitCode>([
  [400, EXIT.usage],
  [413, EXIT.usage],
  [415, EXIT.usage],
  [422, EXIT.usage],
  [404, EXIT.notFound],
  [401, EXIT.auth],
  [403, EXIT.auth],
  [409, EXIT.conflict],
  [504, EXIT.timeout],
]);

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandFault) return error.exit;
  if (error instanceof ProblemError) return BY_STATUS.get(error.status) ?? EXIT.failed;
  return EXIT.failed;
}

/** What went wrong, in words for people; one line for the cause and one for each thing to mend. */
export function wordsOf(error: unknown): string {
  if (error instanceof ProblemError) return problemWords(error);
  if (error instanceof ConnectionError)
    return `${error.message}\n  Start the platform with \`task-master up\`, or say where it is with --url or TASKMASTER_URL.`;
  return error instanceof Error ? error.message : String(error);
}

/** Title and detail, and what both say only once; for what is not there the detail says it better. */
function problemWords({ problem, status }: ProblemError): string {
  const { title, detail, errors = [] } = problem;
  const headline = isSaidBy(detail, title) ? title : status === 404 ? detail : `${title}: ${detail}`;
  const places = errors.map((fault) => [fault.pointer ?? fault.parameter, fault.detail].filter(Boolean).join(': '));
  const allowed = problem['allowedTransitions'];
  return [
    headline,
    ...places.filter((place) => places.length > 1 || !isSaidBy(place, detail)).map((place) => `  ${place}`),
    ...(Array.isArray(allowed) ? [`  possible from here: ${allowed.join(', ') || 'nothing'}`] : []),
    ...(status === 401 ? ['  Give the key with --api-key or TASKMASTER_API_KEY.'] : []),
  ].join('\n');
}

const plain = (text: string): string => text.toLowerCase().replace(/[.\s]+$/, '');
const isSaidBy = (text: string, other: string): boolean => text === '' || plain(other).includes(plain(text));
