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
  if (error instanceof ProblemError) {
    const details = (error.problem.errors ?? []).map(({ pointer, parameter, detail }) => `\n  ${pointer ?? parameter ?? ''}: ${detail}`);
    const allowed = Array.isArray(error.problem['allowedTransitions'])
      ? `\n  possible from here: ${error.problem['allowedTransitions'].join(', ') || 'nothing'}`
      : '';
    const hint = error.status === 401 ? '\n  Give the key with --api-key or TASKMASTER_API_KEY.' : '';
    return `${error.problem.title}: ${error.problem.detail}${details.join('')}${allowed}${hint}`;
  }
  if (error instanceof ConnectionError)
    return `${error.message}\n  Start the platform with \`task-master up\`, or say where it is with --url or TASKMASTER_URL.`;
  return error instanceof Error ? error.message : String(error);
}
