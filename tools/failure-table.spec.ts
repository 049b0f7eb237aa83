import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..');

describe('the failure table of docs/architecture.md', () => {
  const chapter = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8').split('## What happens when something dies')[1] ?? '';
  const rows = chapter.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| what dies'));

  it('names for every row a spec that exists, or says that there is none yet', () => {
    expect(rows.length).toBeGreaterThan(15);
    for (const row of rows) {
      const proof = row.split('|').at(-2) ?? '';
      const files = [...proof.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file);
      if (!proof.includes('not proved here yet')) expect(files).not.toEqual([]);
      for (const file of files) expect([file, /\.spec\.ts$/.test(file) && existsSync(join(ROOT, file))]).toEqual([file, true]);
    }
  });
});
