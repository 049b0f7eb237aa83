import { describe, expect, it } from '@jest/globals';
import { FILE_LINES_MAX, untidyIn, type SourceFile } from './tidy-rules.js';

const entry = (path: string, text: string): SourceFile => ({ path, text });
const found = (...files: readonly SourceFile[]): readonly string[] =>
  untidyIn(files).map(({ path, line, what }) => `${path}:${String(line)}: ${what}`);

describe('tidy', () => {
  it('has nothing to say about a tidy file and its spec', () => {
    const spec = "describe('plan', () => {\n  it('orders steps', () => {});\n  it('names a cycle', () => {});\n});\n";
    expect(
      found(
        entry('libs/a/src/index.ts', "export * from './plan.js';\n"),
        entry('libs/a/src/plan.ts', 'export {};\n'),
        entry('libs/a/src/plan.spec.ts', spec),
      ),
    ).toEqual([]);
  });

  it.each(['common', 'shared', 'utils', 'helpers', 'core', 'base', 'types', 'interfaces', 'manager'])(
    'refuses a folder named %s',
    (folder) => {
      expect(found(entry(`libs/a/src/${folder}/index.ts`, ''))).toEqual([`libs/a/src/${folder}/index.ts:1: a folder named ${folder}`]);
    },
  );

  it('refuses a file that is a drawer', () => {
    expect(found(entry('libs/a/src/index.ts', "import './utils.js';\n"), entry('libs/a/src/utils.ts', ''))).toEqual([
      'libs/a/src/utils.ts:1: a drawer for anything',
    ]);
  });

  it('refuses a file name that is not kebab-case', () => {
    expect(found(entry('libs/a/src/index.ts', "import './workflowPlan.js';\n"), entry('libs/a/src/workflowPlan.ts', ''))).toEqual([
      'libs/a/src/workflowPlan.ts:1: the file name workflowPlan.ts',
    ]);
  });

  it('accepts a file of the longest allowed length and refuses one more line', () => {
    expect(found(entry('libs/a/src/index.ts', '\n'.repeat(FILE_LINES_MAX)))).toEqual([]);
    expect(found(entry('libs/a/src/index.ts', '\n'.repeat(FILE_LINES_MAX + 1)))).toEqual(['libs/a/src/index.ts:401: 401 lines']);
  });

  it.each(['TO' + 'DO', 'FIX' + 'ME', 'HA' + 'CK'])('refuses a %s', (word) => {
    expect(found(entry('libs/a/src/index.ts', `\n// ${word}: later\n`))).toEqual([`libs/a/src/index.ts:2: an unfinished place (${word})`]);
  });

  it.each(['it.on' + 'ly(', 'describe.sk' + 'ip(', 'test.to' + 'do(', 'x' + 'it('])('refuses %s', (call) => {
    expect(found(entry('libs/a/src/plan.spec.ts', `${call}'orders steps', () => {});\n`))).toHaveLength(1);
  });

  it.each(['plan.spec1.ts', 'plan.spec.ts.off', 'plan.spec.disabled.ts'])('refuses the test disabled by renaming it %s', (name) => {
    expect(found(entry(`libs/a/src/${name}`, '')).some((line) => line.includes('disabled by renaming'))).toBe(true);
  });

  it('refuses the same title twice in one chapter and accepts it in two', () => {
    const twice = "it('orders steps', () => {});\nit('orders steps', () => {});\n";
    const apart =
      "describe('a', () => {\n  it('orders steps', () => {});\n});\ndescribe('b', () => {\n  it('orders steps', () => {});\n});\n";
    expect(found(entry('libs/a/src/plan.spec.ts', twice))).toEqual(['libs/a/src/plan.spec.ts:2: the title "orders steps" a second time']);
    expect(found(entry('libs/a/src/plan.spec.ts', apart))).toEqual([]);
  });

  it('refuses a file that nothing but its own spec imports', () => {
    const spec = entry('libs/a/src/plan.spec.ts', "import { plan } from './plan.js';\n");
    expect(found(entry('libs/a/src/plan.ts', ''), spec)).toEqual(['libs/a/src/plan.ts:1: a file that nothing imports']);
    expect(found(entry('libs/a/src/plan.ts', ''), entry('libs/a/src/other.spec.ts', spec.text))).toEqual([]);
  });
});
