import { statfs } from 'node:fs/promises';
import { isRoot } from '@taskmaster/provision';
import { PlatformFault } from './platform-fault.js';

const CHECK_MS = 2_000;
/** Less than this is full: Postgres writes its log in larger pieces. */
const FREE_BYTES_MIN = 4 * 1024 * 1024;

/** Tells when the disk of the data is full. Without room nothing can be recorded: better to stop and say so than to try for ever. */
export function watchRoom(data: string, onFull: (fault: PlatformFault) => void): () => void {
  const check = async (): Promise<void> => {
    if ((await freeBytes(data)) >= FREE_BYTES_MIN) return;
    onFull(
      new PlatformFault(
        'disk-full',
        `The disk that holds ${data} is full.`,
        'free some space there and start again; what is recorded is kept.',
      ),
    );
  };
  const timer = setInterval(() => void check().catch(() => undefined), CHECK_MS);
  return () => {
    clearInterval(timer);
  };
}

async function freeBytes(directory: string): Promise<number> {
  const { bavail, bfree, bsize } = await statfs(directory);
  return (isRoot() ? bfree : bavail) * bsize;
}
