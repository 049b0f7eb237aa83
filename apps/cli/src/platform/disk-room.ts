import { statfs } from 'node:fs/promises';
import { isRoot } from '@taskmaster/provision';
import { PlatformFault } from './platform-fault.js';

const CHECK_MS = 2_000;
/** Less than this is full: Postgres writes its log in larger pieces. */
const FREE_BYTES_MIN = 4 * 1024 * 1024;

/** Tells when a disk of these directories is full. Without room nothing can be recorded: better to stop and say so than to try for ever. */
export function watchRoom(directories: readonly string[], onFull: (fault: PlatformFault) => void): () => void {
  const check = async (directory: string): Promise<void> => {
    if ((await freeBytes(directory)) >= FREE_BYTES_MIN) return;
    onFull(
      new PlatformFault(
        'disk-full',
        `The disk that holds ${directory} is full.`,
        'free some space there and start again; what is recorded is kept.',
      ),
    );
  };
  const timer = setInterval(() => {
    for (const directory of directories) void check(directory).catch(() => undefined);
  }, CHECK_MS);
  return () => {
    clearInterval(timer);
  };
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bfree, bsize } = await statfs(directory);
  return (isRoot() ? bfree : bavail) * bsize;
}
