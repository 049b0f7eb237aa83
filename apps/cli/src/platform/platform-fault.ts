export type PlatformFaultCode =
  | 'already-running'
  | 'not-built'
  | 'port-invalid'
  | 'port-taken'
  | 'disk-full'
  | 'server-unreachable'
  | 'migration-failed'
  | 'schema-differs'
  | 'service-failed'
  | 'server-failed';

/** The platform cannot start or go on; `message` says what is wrong and what to do, and an edge prints it as it is. */
export class PlatformFault extends Error {
  override readonly name = 'PlatformFault';
  readonly code: PlatformFaultCode;

  constructor(code: PlatformFaultCode, problem: string, remedy: string, options?: ErrorOptions) {
    super(`${problem}\n  What to do: ${remedy}`, options);
    this.code = code;
  }
}
