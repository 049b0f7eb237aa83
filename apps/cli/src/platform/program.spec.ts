import { mkdir, mkdtemp, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { programOf } from './program.js';

let home: string;
let built: string;
let bundled: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'taskmaster-program-'));
  built = join(home, 'apps', 'gateway', 'dist', 'main.js');
  bundled = join(home, 'apps', 'gateway', 'dist', 'bundle', 'main.js');
  await mkdir(join(home, 'apps', 'gateway', 'dist', 'bundle'), { recursive: true });
  await writeFile(built, '// built');
  await writeFile(bundled, '// bundled');
});
afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

async function bundle(): Promise<void> {
  const { mtimeMs, size } = await stat(built);
  await writeFile(join(bundled, '..', 'made-of.json'), JSON.stringify({ '../main.js': `${String(mtimeMs)} ${String(size)}` }));
}

describe('a service is started', () => {
  it('from its bundle, when that was made of what was built', async () => {
    await bundle();
    expect(await programOf(home, 'gateway')).toBe(bundled);
  });

  it('as it was built, when that is newer than its bundle', async () => {
    await bundle();
    await utimes(built, new Date(), new Date(Date.now() + 60_000));
    expect(await programOf(home, 'gateway')).toBe(built);
  });

  it('as it was built, when a file is gone that the bundle was made of', async () => {
    await bundle();
    await writeFile(join(bundled, '..', 'made-of.json'), JSON.stringify({ '../gone.js': '1 1' }));
    expect(await programOf(home, 'gateway')).toBe(built);
  });

  it('as it was built, when there is no bundle, or half of one', async () => {
    expect(await programOf(home, 'gateway')).toBe(built);
    await writeFile(join(bundled, '..', 'made-of.json'), '{"../main.js": "1');
    expect(await programOf(home, 'gateway')).toBe(built);
    await writeFile(join(bundled, '..', 'made-of.json'), '{}');
    expect(await programOf(home, 'gateway')).toBe(built);
  });
});
