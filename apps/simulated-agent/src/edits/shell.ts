import { posix } from 'node:path';
import { commented, fingerprintOf, isOwn, type Language } from './language.js';
import type { PlannedFile, Worktree } from './worktree.js';

const SHELL_TEST = /(^|\/)(tests?|spec)\/[^/]+\.(sh|bats)$|(^|\/)([^/]*[-_.]test|test[-_.][^/]*)\.(sh|bats)$/;
const MAKEFILES = ['GNUmakefile', 'makefile', 'Makefile'];
/** The one line that every step adds to a makefile; the same text from every step, so that parallel steps merge. */
const INCLUDE = '-include simulated/*.mk';

/** Shell and Make: a script and a script that checks it, beside the scripts that are there or hung under the target `test`. */
export const shell: Language = {
  name: 'shell',
  detect: (worktree) =>
    worktree.files.some((file) => MAKEFILES.includes(file) || SHELL_TEST.test(file) || (!file.includes('/') && file.endsWith('.sh'))),
  filesOf: async (worktree, step, healthy) => {
    const near = worktree.files.find((file) => SHELL_TEST.test(file) && !isOwn(file));
    const make = worktree.files.find((file) => MAKEFILES.includes(file));
    const script = `simulated/${step}.sh`;
    const files: PlannedFile[] = [{ path: script, content: scriptText(step) }];
    if (near !== undefined) return [...files, { path: testPath(near, step), content: testText(near, step, { script, healthy }) }];
    const check = `simulated/${step}.check.sh`;
    files.push({ path: check, content: shellTest(step, { script, folder: 'simulated', healthy }) });
    return make === undefined ? files : [...files, ...(await makeFiles(worktree, make, step))];
  },
};

/** Nothing known: a marked text file and a POSIX shell check of it. */
export const unknown: Language = {
  name: 'unknown',
  detect: () => true,
  filesOf: (_worktree, step, healthy) =>
    Promise.resolve([
      { path: `simulated/${step}.txt`, content: `${commented('#', step)}\nfingerprint ${String(fingerprintOf(step))}\n` },
      {
        path: `simulated/${step}.check.sh`,
        content: `#!/bin/sh\n${commented('#', step)}\nset -eu\ngrep -qx 'fingerprint ${expectedText(step, healthy)}' "$(dirname "$0")/${step}.txt"\n`,
      },
    ]),
};

const expectedText = (step: string, healthy: boolean): string => (healthy ? String(fingerprintOf(step)) : 'broken');

const scriptText = (step: string): string => `#!/bin/sh
${commented('#', step)}
set -eu
sum=0
for code in $(printf '%s' "\${1:-${step}}" | od -An -v -tu1); do
  sum=$(((sum * 31 + code) % 65521))
done
printf '%s\\n' "$sum"
`;

function testPath(near: string, step: string): string {
  const name = posix.basename(near);
  const extension = posix.extname(name);
  const stem = name.slice(0, -extension.length);
  const marked = /^test[-_.]/.exec(stem)?.[0] ?? '';
  const ending = /[-_.]test$/.exec(stem)?.[0] ?? '';
  return posix.join(posix.dirname(near), `${marked}simulated-${step}${ending}${extension}`);
}

function testText(near: string, step: string, it: { readonly script: string; readonly healthy: boolean }): string {
  const folder = posix.dirname(near);
  if (!near.endsWith('.bats')) return shellTest(step, { script: it.script, folder, healthy: it.healthy });
  const way = posix.relative(folder, it.script);
  return `#!/usr/bin/env bats\n${commented('#', step)}\n\n@test "SIMULATED step ${step} answers its fingerprint" {\n  run sh "$BATS_TEST_DIRNAME/${way}"\n  [ "$output" = "${expectedText(step, it.healthy)}" ]\n}\n`;
}

function shellTest(step: string, it: { readonly script: string; readonly folder: string; readonly healthy: boolean }): string {
  const way = posix.relative(it.folder, it.script);
  return `#!/bin/sh
${commented('#', step)}
set -eu
answer=$(sh "$(dirname "$0")/${way}")
[ "$answer" = "${expectedText(step, it.healthy)}" ] || { echo "SIMULATED step ${step}: got $answer" >&2; exit 1; }
`;
}

async function makeFiles(worktree: Worktree, make: string, step: string): Promise<readonly PlannedFile[]> {
  const text = (await worktree.read(make)) ?? '';
  const included = text.split('\n').includes(INCLUDE) ? text : `${text.replace(/\n*$/, '\n')}\n${INCLUDE}\n`;
  const rules = `${commented('#', step)}\ntest: simulated-${step}\n.PHONY: simulated-${step}\nsimulated-${step}:\n\tsh simulated/${step}.check.sh\n`;
  return [
    { path: make, content: included },
    { path: `simulated/${step}.mk`, content: rules },
  ];
}
