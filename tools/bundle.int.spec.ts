import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';
import { runSubdirectory } from '@taskmaster/testing';

const run = promisify(execFile);
const PROGRAM = join('tools', 'fixtures', 'bundle', 'main.js');

it('does the same as what it was made of', async () => {
  const folder = await runSubdirectory('bundle');
  await run(process.execPath, ['tools/bundle.mjs', PROGRAM, folder]);
  const plain = await run(process.execPath, [PROGRAM]);
  const bundled = await run(process.execPath, [join(folder, 'main.js')]);
  expect(bundled.stdout).toBe(plain.stdout);
  expect(plain.stdout).toContain('"callable":"function","absent":"ERR_MODULE_NOT_FOUND"');
}, 60_000);
