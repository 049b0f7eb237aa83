import { execFile, spawnSync } from 'node:child_process';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { makeRepository } from '@taskmaster/testing';

const DEMO_MS_MAX = 120_000;
const MAKE = spawnSync('make', ['--version']).error === undefined;
if (!MAKE) process.stderr.write('NOT TESTED: `demo --repo` on a repository with a Makefile, because make is not installed\n');

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'taskmaster-e2e-demo-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly out: string;
}

const run = (program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = process.env): Promise<Ran> =>
  new Promise((settle) => {
    execFile(program, [...args], { cwd, env, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      settle({ code, out: code === 0 ? stdout : stdout + stderr });
    });
  });

interface Demonstrated {
  readonly outcome: string;
  readonly commit: string;
  readonly repository: string;
  readonly branch: string;
  readonly events: number;
  readonly invariants: readonly { readonly number: number; readonly checked: number; readonly violations: readonly string[] }[];
}

/** Runs the command as a person does, and gives what it says it delivered. */
async function demo(name: string, ...args: readonly string[]): Promise<Demonstrated> {
  // Jest's own variables would change what the tests of the sample say.
  const { NODE_OPTIONS: _, NODE_ENV: __, ...env } = process.env;
  const command = [resolve('apps/cli/dist/main.js'), 'demo', '--json', '--data', join(scratch, name), ...args];
  const { code, out } = await run(process.execPath, command, scratch, { ...env, NLP_PROVIDER: 'offline' });
  expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining('{') });
  const result = JSON.parse(out.slice(out.indexOf('{'))) as Demonstrated;
  expect(result.outcome).toBe('completed');
  expect(result.invariants.flatMap(({ violations }) => violations)).toEqual([]);
  // The demo is a client too: what it was told is compared with the log.
  expect(result.invariants.find(({ number }) => number === 4)?.checked).toBeGreaterThan(result.events);
  return result;
}

/** A checkout of what the target branch was before the merge and of what it is now. */
async function checkouts(
  { repository, branch, commit }: Demonstrated,
  name: string,
): Promise<{ readonly before: string; readonly after: string }> {
  const git = (...args: readonly string[]): Promise<Ran> => run('git', args, repository);
  expect((await git('rev-parse', branch)).out.trim()).toBe(commit);
  const [before, after] = [join(scratch, `${name}-before`), join(scratch, `${name}-after`)];
  expect(await git('worktree', 'add', '--quiet', '--detach', before, `${commit}^1`)).toMatchObject({ code: 0 });
  expect(await git('worktree', 'add', '--quiet', '--detach', after, commit)).toMatchObject({ code: 0 });
  return { before, after };
}

const added = async (after: string, pattern: RegExp): Promise<readonly string[]> =>
  (await run('git', ['diff', '--name-only', '--diff-filter=A', 'HEAD^1', 'HEAD'], after)).out
    .split('\n')
    .filter((path) => pattern.test(path));

describe('the demo', () => {
  it(
    'ends with a target whose tests cover the change, which they did not before',
    async () => {
      const { before, after } = await checkouts(await demo('sample'), 'sample');
      const { NODE_OPTIONS: _, NODE_TEST_CONTEXT: __, ...env } = process.env;
      const test = (cwd: string): Promise<Ran> => run(process.execPath, ['--test', '--test-reporter=tap'], cwd, env);
      const [old, now] = [await test(before), await test(after)];
      expect([old.code, now.code]).toEqual([0, 0]);
      expect(old.out).not.toContain('SIMULATED');
      expect(now.out).toContain('SIMULATED step');
      const [module] = await added(after, /^src\/.*simulated-.*\.js$/);
      expect(module).toBeDefined();
      await writeFile(join(after, module ?? ''), 'export {};\n');
      expect(await test(after)).toMatchObject({ code: 1 });
    },
    DEMO_MS_MAX,
  );

  (MAKE ? it : it.skip)(
    'delivers to a clone of a repository in another language with another test command, and leaves the original alone',
    async () => {
      const original = await makeRepository({
        branch: 'trunk',
        files: {
          'greet.sh': '#!/bin/sh\nprintf "hello %s\\n" "$1"\n',
          Makefile: 'test:\n\ttest "$$(sh ./greet.sh you)" = "hello you"\n\t@echo "ran: make test"\n',
        },
      });
      await appendFile(join(original.path, 'greet.sh'), '# being worked on\n');
      const state = async (): Promise<readonly string[]> => [
        await original.git('rev-parse', 'HEAD'),
        await original.git('status', '--porcelain'),
        await original.git('for-each-ref'),
        await original.git('diff'),
      ];
      const untouched = await state();
      const delivered = await demo('shell', '--repo', original.path, '--requirement', 'Add a farewell command with a help text');
      expect(await state()).toEqual(untouched);
      expect(delivered.branch).toBe('trunk');
      const { before, after } = await checkouts(delivered, 'shell');
      const [script] = await added(after, /simulated\/.*\.sh$/);
      expect(script).toBeDefined();
      expect(await run('make', ['test'], before)).toMatchObject({ code: 0, out: expect.stringContaining('ran: make test') });
      expect(await run('make', ['test'], after)).toMatchObject({ code: 0, out: expect.stringContaining('ran: make test') });
      await writeFile(join(after, script ?? ''), 'exit 7\n');
      expect((await run('make', ['test'], after)).code).not.toBe(0);
      await original.remove();
    },
    DEMO_MS_MAX,
  );
});
