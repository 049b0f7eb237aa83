import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { repairOwn, writeStep } from './step-edits.js';
import { Worktree, WorktreeRefused } from './worktree.js';

const folder = mkdtempSync(join(tmpdir(), 'simulated-edits-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Compiled languages build their test runner first. */
const COMPILED_MS = 120_000;

type Files = Readonly<Record<string, string>>;

function repository(files: Files): string {
  const root = mkdtempSync(join(folder, 'repository-'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  execFileSync('git', ['init', '--quiet'], { cwd: root });
  return root;
}

const changed = async (files: Files, step = 'add-login'): Promise<readonly string[]> => {
  const worktree = await Worktree.open(repository(files));
  return (await writeStep(worktree, step, true)).changed;
};

/** Exit status of a command, or undefined where the machine has no such program. */
function exitOf(root: string, command: readonly [string, ...string[]]): number | undefined {
  try {
    execFileSync(command[0], command.slice(1), { cwd: root, stdio: 'ignore' });
    return 0;
  } catch (error) {
    const { code, status } = error as { readonly code?: string; readonly status?: number | null };
    return code === 'ENOENT' || status === 127 ? undefined : (status ?? 1);
  }
}

const MODULE = '{ "type": "module", "scripts": { "test": "node --test" } }';

describe('where a step is written', () => {
  const cases: readonly (readonly [string, Files, readonly string[]])[] = [
    [
      'beside the tests that are there',
      { 'package.json': MODULE, 'tests/a.spec.mjs': 'import test from "node:test";', 'lib/a.mjs': '' },
      ['lib/simulated/simulated-add-login.mjs', 'tests/simulated-add-login.spec.mjs'],
    ],
    [
      'in the folder the test script names',
      { 'package.json': '{ "scripts": { "test": "node --test \\"spec/**/*.check.js\\"" } }' },
      ['simulated/simulated-add-login.js', 'spec/simulated-add-login.check.js'],
    ],
    [
      'in typescript where the tests are',
      { 'package.json': '{ "scripts": { "test": "vitest run" } }', 'src/a.test.ts': 'import { a } from "./a.js";' },
      ['src/simulated/simulated-add-login.ts', 'src/simulated-add-login.test.ts'],
    ],
    [
      'inside the package of a monorepo',
      { 'package.json': '{}', 'packages/x/package.json': MODULE, 'packages/x/src/a.js': '', 'packages/x/test/a.test.js': '' },
      ['packages/x/src/simulated/simulated-add-login.js', 'packages/x/test/simulated-add-login.test.js'],
    ],
    [
      'in python',
      { 'pyproject.toml': '', 'app/__init__.py': '', 'tests/test_a.py': '' },
      ['app/simulated_add_login.py', 'tests/test_simulated_add_login.py'],
    ],
    [
      'in go',
      { 'go.mod': 'module x' },
      ['internal/simulated/simulatedaddlogin/step.go', 'internal/simulated/simulatedaddlogin/step_test.go'],
    ],
    ['in rust', { 'Cargo.toml': '[package]', 'src/lib.rs': '' }, ['simulated/add_login.rs', 'tests/simulated_add_login.rs']],
    [
      'under the target test of a makefile',
      { Makefile: 'test:\n\ttrue\n' },
      ['simulated/add-login.sh', 'simulated/add-login.check.sh', 'Makefile', 'simulated/add-login.mk'],
    ],
    ['beside shell tests', { 'tests/test-a.sh': '' }, ['simulated/add-login.sh', 'tests/test-simulated-add-login.sh']],
    ['as text where nothing is known', { README: '' }, ['simulated/add-login.txt', 'simulated/add-login.check.sh']],
  ];
  it.each(cases)('is %s', async (_where, files, expected) => {
    expect(await changed(files)).toEqual(expected);
  });
});

describe('what is written', () => {
  const cases: readonly (readonly [string, Files, readonly [string, ...string[]]])[] = [
    ['modules of node', { 'package.json': MODULE, 'test/a.test.js': 'import test from "node:test";' }, ['node', '--test']],
    [
      'commonjs of node',
      { 'package.json': '{ "scripts": { "test": "node --test" } }', 'test/a.test.js': 'require("node:test");' },
      ['node', '--test'],
    ],
    ['python with unittest', { 'setup.py': '', 'test_a.py': '' }, ['python3', '-m', 'unittest', 'discover']],
    ['go', { 'go.mod': 'module example.com/x\n\ngo 1.18\n' }, ['go', 'test', './...']],
    [
      'rust',
      { 'Cargo.toml': '[package]\nname = "x"\nversion = "0.1.0"\nedition = "2021"\n', 'src/lib.rs': '' },
      ['cargo', 'test', '--offline', '--quiet'],
    ],
    ['make', { Makefile: '.PHONY: test\ntest:\n\ttrue\n' }, ['make', 'test']],
    ['shell', { 'tests/test-a.sh': 'true' }, ['sh', '-c', 'for t in tests/*.sh; do sh "$t" || exit 1; done']],
    ['nothing known', { README: '' }, ['sh', '-c', 'for t in simulated/*.check.sh; do sh "$t" || exit 1; done']],
  ];
  it.each(cases)(
    'passes, breaks and is repaired under the test command of %s',
    async (name, files, command) => {
      const root = repository(files);
      await writeStep(await Worktree.open(root), 'add-login', true);
      const healthy = exitOf(root, command);
      if (healthy === undefined) {
        console.warn(`NOT CHECKED for ${name}: ${command[0]} is not on this machine`);
        return;
      }
      expect(healthy).toBe(0);
      await writeStep(await Worktree.open(root), 'add-login', false);
      expect(exitOf(root, command)).not.toBe(0);
      expect((await repairOwn(await Worktree.open(root))).changed).toHaveLength(1);
      expect(exitOf(root, command)).toBe(0);
      expect((await repairOwn(await Worktree.open(root))).changed).toEqual([]);
    },
    COMPILED_MS,
  );

  it('is the same for the same step and says that it is simulated', async () => {
    const worktree = await Worktree.open(repository({ 'package.json': MODULE }));
    const { changed: paths } = await writeStep(worktree, 'a', true);
    expect((await writeStep(worktree, 'a', true)).changed).toEqual([]);
    for (const path of paths) expect(readFileSync(join(worktree.root, path), 'utf8')).toContain('SIMULATED change of step a');
  });

  it('gives parallel steps files that merge', async () => {
    const files = { Makefile: 'test:\n\ttrue\n' };
    const one = await Worktree.open(repository(files));
    const two = await Worktree.open(repository(files));
    await writeStep(one, 'one', true);
    await writeStep(two, 'two', true);
    expect(await one.read('Makefile')).toBe(await two.read('Makefile'));
  });
});

describe('a worktree', () => {
  it('is refused when it is no git worktree, not its top, or not there', async () => {
    const plain = mkdtempSync(join(folder, 'plain-'));
    const root = repository({ 'sub/a': '' });
    for (const path of [plain, join(root, 'sub'), join(folder, 'missing')])
      await expect(Worktree.open(path)).rejects.toThrow(WorktreeRefused);
  });

  it('refuses every way out', async () => {
    const outside = mkdtempSync(join(folder, 'outside-'));
    const root = repository({ a: '' });
    symlinkSync(outside, join(root, 'link'));
    symlinkSync(join(outside, 'file'), join(root, 'dangling'));
    const worktree = await Worktree.open(root);
    for (const path of ['../x', 'link/x', 'link/deep/x', 'dangling', '.git/hooks/x', join(outside, 'x')]) {
      await expect(worktree.write({ path, content: 'x' })).rejects.toThrow(WorktreeRefused);
    }
    expect(existsSync(join(outside, 'x'))).toBe(false);
    expect(existsSync(join(outside, 'deep'))).toBe(false);
    expect(existsSync(join(outside, 'file'))).toBe(false);
  });
});
