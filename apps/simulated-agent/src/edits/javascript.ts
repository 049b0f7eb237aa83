import { posix } from 'node:path';
import { commented, expectedOf, isOwn, type Language } from './language.js';
import { findPlace, type TestPlace } from './javascript-place.js';
import type { Worktree } from './worktree.js';

/** JavaScript and TypeScript: a module beside the sources and a test that looks like the tests that are there. */
export const javascript: Language = {
  name: 'javascript',
  detect: (worktree) => worktree.files.some((file) => file === 'package.json' || (/^[^/]+\.(c|m)?[jt]sx?$/.test(file) && !isOwn(file))),
  filesOf: async (worktree, step, healthy) => {
    const place = await findPlace(worktree);
    const modulePath = posix.join(sourceFolder(worktree, place), `simulated-${step}${place.moduleExtension}`);
    const testPath = posix.join(place.folder, `${place.prefix}simulated-${step}${place.suffix}`);
    return [
      { path: modulePath, content: moduleText(step, place) },
      { path: testPath, content: testText(step, place, { way: importWay(testPath, modulePath, place), healthy }) },
    ];
  },
};

/** `src` or `lib` of the package where there is one, else a folder of its own. */
function sourceFolder(worktree: Worktree, place: TestPlace): string {
  for (const folder of ['src', 'lib']) {
    const path = posix.join(place.packageFolder, folder);
    if (worktree.files.some((file) => file.startsWith(`${path}/`))) return posix.join(path, 'simulated');
  }
  return posix.join(place.packageFolder, 'simulated');
}

function importWay(testPath: string, modulePath: string, place: TestPlace): string {
  const way = posix.relative(posix.dirname(testPath), modulePath);
  const dotted = way.startsWith('.') ? way : `./${way}`;
  return `${dotted.slice(0, -posix.extname(dotted).length)}${place.importExtension}`;
}

function moduleText(step: string, place: TestPlace): string {
  const typed = place.typescript;
  const signature = `fingerprint(text${typed ? ': string' : ''})${typed ? ': number' : ''}`;
  const exported = place.commonjs ? '' : 'export ';
  const body = `${exported}const step = '${step}';

${exported}function ${signature} {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 65521;
  return sum;
}
`;
  const tail = place.commonjs ? '\nmodule.exports = { step, fingerprint };\n' : '';
  return `${commented('//', step)}\n\n${body}${tail}`;
}

function testText(step: string, place: TestPlace, it: { readonly way: string; readonly healthy: boolean }): string {
  const expected = String(expectedOf(step, it.healthy));
  const title = `SIMULATED step ${step} answers its fingerprint`;
  const load = (names: string, from: string): string =>
    place.commonjs ? `const ${names} = require('${from}');` : `import ${names} from '${from}';`;
  const subject = load('{ fingerprint, step }', it.way);
  const head = commented('//', step);
  const equal = `assert.equal(fingerprint(step), ${expected});`;
  const expects = `expect(fingerprint(step)).toBe(${expected});`;
  const strict = load('assert', 'node:assert/strict');
  switch (place.framework) {
    case 'vitest':
    case 'bun:test':
    case '@jest/globals':
      return `${head}\n${load('{ expect, test }', place.framework)}\n${subject}\n\ntest('${title}', () => {\n  ${expects}\n});\n`;
    case 'jest':
      return `${head}\n${subject}\n\ntest('${title}', () => {\n  ${expects}\n});\n`;
    case 'jasmine':
      return `${head}\n${subject}\n\ndescribe('SIMULATED', () => {\n  it('${title}', () => {\n    ${expects}\n  });\n});\n`;
    case 'mocha':
      return `${head}\n${strict}\n${subject}\n\ndescribe('SIMULATED', () => {\n  it('${title}', () => {\n    ${equal}\n  });\n});\n`;
    case 'ava':
    case 'tape':
      return `${head}\n${load('test', place.framework)}\n${subject}\n\ntest('${title}', (t) => {\n  t.is(fingerprint(step), ${expected});\n${place.framework === 'tape' ? '  t.end();\n' : ''}});\n`;
    case 'node:test':
      return `${head}\n${strict}\n${load('test', 'node:test')}\n${subject}\n\ntest('${title}', () => {\n  ${equal}\n});\n`;
  }
}
