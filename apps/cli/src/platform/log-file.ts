import { copyFile, open, rename, stat, truncate, type FileHandle } from 'node:fs/promises';

const LOG_BYTES_MAX = 16 * 1024 * 1024;
const TAIL_BYTES_MAX = 64 * 1024;

/** Opens a log for appending. The child writes into it by itself, so its lines survive the death of the supervisor. */
export const openLog = (path: string): Promise<FileHandle> => open(path, 'a', 0o600);

/**
 * Keeps a log and two older ones, each about `bytesMax`. The writer holds the file open, so it is copied and emptied rather than renamed;
 * what is written in between is lost, which a log can bear.
 */
export async function rotateLog(path: string, bytesMax = LOG_BYTES_MAX): Promise<void> {
  const size = (await stat(path).catch(() => undefined))?.size ?? 0;
  if (size <= bytesMax) return;
  await rename(`${path}.1`, `${path}.2`).catch(() => undefined);
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
}

/** The last lines of a log, in words for people where they are JSON. */
export async function tailOfLog(path: string, lines = 12): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return '(no log)';
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - TAIL_BYTES_MAX);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    const text = buffer.subarray(0, bytesRead).toString('utf8').trimEnd();
    return text === '' ? '(empty log)' : text.split('\n').slice(-lines).map(readable).join('\n');
  } finally {
    await file.close();
  }
}

function readable(line: string): string {
  try {
    const entry = JSON.parse(line) as { level?: unknown; msg?: unknown; err?: { message?: unknown } };
    const parts = [entry.msg, entry.err?.message].filter((part): part is string => typeof part === 'string');
    return parts.length === 0 ? line : parts.join(': ');
  } catch {
    return line;
  }
}
