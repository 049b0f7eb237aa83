import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '..');
const LINK = /\[([^\]]+)\]\(\.\.\/([^)]+)\)/g;

interface Row {
  readonly name: string;
  readonly proof: string;
}

/** The rows of the tables of a page, without their heads. */
const rowsOf = (page: string): readonly Row[] =>
  page
    .split('\n')
    .filter((line, i, lines) => line.startsWith('|') && !/^\|\s*-/.test(line) && !/^\|\s*-/.test(lines[i + 1] ?? ''))
    .map((line) => {
      const cells = line.split('|').map((cell) => cell.trim());
      return { name: cells.slice(1, 3).join(', '), proof: cells.at(-2) ?? '' };
    });

describe('docs/failure-contract.md', () => {
  const rows = rowsOf(readFileSync(join(ROOT, 'docs/failure-contract.md'), 'utf8'));

  it('holds the whole contract', () => {
    expect(rows.length).toBeGreaterThanOrEqual(30);
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
  });

  it.each(rows.map(({ name, proof }) => [name, proof] as const))(
    'proves by a test that exists, or says why it cannot: %s',
    (_name, proof) => {
      if (proof.startsWith('not provable here: ')) return expect(proof.length).toBeGreaterThan(40);
      const links = [...proof.matchAll(LINK)];
      expect(links.map(([link]) => link).join('<br>')).toBe(proof);
      for (const [, title = '', file = ''] of links) {
        expect([file, /\.spec\.ts$/.test(file) && existsSync(join(ROOT, file))]).toEqual([file, true]);
        expect(readFileSync(join(ROOT, file), 'utf8')).toContain(`it('${title}'`);
      }
    },
  );
});
