import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { SAFEGUARDS } from './catalogue.js';
import { edited } from './workspace-copy.js';

const ROOT = join(import.meta.dirname, '../..');
const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

describe('the catalogue of safeguards', () => {
  it.each(SAFEGUARDS.map((safeguard) => [safeguard.name, safeguard] as const))(
    'still fits the sources: %s',
    (_name, { edits, spec, title, titleIn }) => {
      expect(edits).not.toEqual([]);
      for (const edit of edits) expect(edited(textOf(edit.file), edit)).not.toBe(textOf(edit.file));
      expect(textOf(titleIn ?? spec)).toContain(`it('${title}'`);
    },
  );

  it('names every safeguard once', () => {
    expect(new Set(SAFEGUARDS.map(({ name }) => name)).size).toBe(SAFEGUARDS.length);
  });

  it('fails loudly when a text is gone, or is there twice', () => {
    const edit = { file: 'a file', text: 'guard();', replacement: '' };
    expect(edited('before; guard(); after;', edit)).toBe('before;  after;');
    expect(() => edited('before; after;', edit)).toThrow('a file does not hold this text exactly once: guard();');
    expect(() => edited('guard(); guard();', edit)).toThrow('a file does not hold this text exactly once');
  });
});
