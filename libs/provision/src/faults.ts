/**
 * The machine does not give what a server needs. `message` says what is wrong and what to do about it, in one piece, so that an edge can
 * print it as it is; it never contains a secret.
 */
export class ProvisionFault extends Error {
  override readonly name = 'ProvisionFault';
  readonly code: ProvisionFaultCode;

  constructor(code: ProvisionFaultCode, problem: string, remedy: string, options?: ErrorOptions) {
    super(`${problem}\n  What to do: ${remedy}`, options);
    this.code = code;
  }
}

export type ProvisionFaultCode =
  | 'disk-full'
  | 'no-binary'
  | 'not-startable'
  | 'not-stoppable'
  | 'port-taken'
  | 'unreachable-directory'
  | 'unsupported-platform'
  | 'wrong-owner';

const DISK_FULL = /no space left on device|ENOSPC|disk quota exceeded/i;
const PORT_TAKEN = /address already in use|EADDRINUSE/i;

export const speaksOfFullDisk = (text: string): boolean => DISK_FULL.test(text);
export const speaksOfTakenPort = (text: string): boolean => PORT_TAKEN.test(text);

/** The one message for a full disk, whichever program met it. */
export const diskFull = (directory: string, cause?: unknown): ProvisionFault =>
  new ProvisionFault(
    'disk-full',
    `The disk that holds ${directory} is full.`,
    'free some space there, or choose another place with --data DIR.',
    {
      cause,
    },
  );

/** The last lines of a program's output, short enough for an error message. */
export const tailOf = (text: string, lines = 12): string => text.trimEnd().split('\n').slice(-lines).join('\n');

/** What a failed file operation means for whoever chose the directory; other errors are given back as they are. */
export function explainBrokenPlace(directory: string, error: unknown): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(directory, error);
  // A file system such as /proc says that there is no such place, rather than that nothing can be made there.
  const isUnwritable = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'].includes(code ?? '') || (code === 'ENOENT' && syscall === 'mkdir');
  if (!isUnwritable) return error;
  return new ProvisionFault(
    'wrong-owner',
    `The directory ${directory} cannot be written (${String(code)}).`,
    'choose a directory of yours with --data DIR.',
    {
      cause: error,
    },
  );
}
