import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, it } from '@jest/globals';
import { copyWorkspace } from './workspace-copy.js';

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function folder(): Promise<string> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'taskmaster-copy-')));
  folders.push(path);
  return path;
}

it('finds packages where the original has them, also those of one part alone, and runs our own from the copy', async () => {
  const [root, into] = [await folder(), await folder()];
  const files = ['package.json', 'tsconfig.base.json', 'jest.config.mjs', 'libs/a/src.ts', 'tests/t.ts', 'tools/t.ts', 'apps/b/src.ts'];
  const packages = ['node_modules/shared/index.js', 'apps/b/node_modules/own/index.js'];
  for (const file of [...files, ...packages]) {
    await mkdir(dirname(join(root, file)), { recursive: true });
    await writeFile(join(root, file), file);
  }
  await mkdir(join(root, 'node_modules/@taskmaster'));
  await symlink('../../libs/a', join(root, 'node_modules/@taskmaster/a'));
  await copyWorkspace(root, into);
  for (const file of [...files, ...packages]) expect(await readFile(join(into, file), 'utf8')).toBe(file);
  expect(await realpath(join(into, 'node_modules/@taskmaster/a'))).toBe(join(into, 'libs/a'));
  for (const file of packages) expect(await realpath(join(into, file))).toBe(join(root, file));
});
