import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { mainFileOf, type ProgramName } from './services.js';

/** What a bundle was made of: paths from where it lies, and each file's time and size. */
type MadeOf = Readonly<Record<string, string>>;

/**
 * The file to start a program from: its bundle, which starts sooner, when that was made of the build that lies there,
 * else the build itself. A build that is newer than its bundle is never run from the old one.
 */
export async function programOf(home: string, program: ProgramName): Promise<string> {
  const bundle = join(home, 'apps', program, 'dist', 'bundle');
  return (await isCurrent(bundle)) ? join(bundle, 'main.js') : mainFileOf(home, program);
}

async function isCurrent(bundle: string): Promise<boolean> {
  try {
    const madeOf = JSON.parse(await readFile(join(bundle, 'made-of.json'), 'utf8')) as MadeOf;
    const found = await Promise.all(Object.keys(madeOf).map(async (path) => [path, await stampOf(join(bundle, path))] as const));
    return found.length > 0 && found.every(([path, stamp]) => stamp === madeOf[path]);
  } catch {
    // None was made, or something that it was made of is gone.
    return false;
  }
}

async function stampOf(path: string): Promise<string> {
  const { mtimeMs, size } = await stat(path);
  return `${String(mtimeMs)} ${String(size)}`;
}
