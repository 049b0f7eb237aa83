import { execFile } from 'node:child_process';
import { relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { expectationsUnder } from './expectations.js';

const FIXTURES = resolve('tools/fixtures/lint');
const expectations = expectationsUnder(FIXTURES);
const broken = new Map<string, string[]>();

interface LintResult {
  readonly filePath: string;
  readonly messages: readonly { readonly ruleId: string | null; readonly message: string }[];
}

/** ESLint answers 1 when it found something, which is what is wanted here. */
async function lint(): Promise<readonly LintResult[]> {
  const run = promisify(execFile)(process.execPath, ['node_modules/eslint/bin/eslint.js', '--no-ignore', '--format', 'json', FIXTURES], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const { stdout } = await run.catch((fault: { readonly stdout: string }) => fault);
  return JSON.parse(stdout) as LintResult[];
}

describe('the lint rules', () => {
  beforeAll(async () => {
    for (const { filePath, messages } of await lint()) {
      broken.set(filePath, [...new Set(messages.map(({ ruleId, message }) => ruleId ?? message))].sort());
    }
  }, 120_000);

  it.each([...expectations].map(([path, rules]) => ({ path, rules, name: relative(FIXTURES, path), wanted: rules.join(', ') })))(
    '$name breaks $wanted',
    ({ path, rules }) => {
      expect(broken.get(path)).toEqual(rules);
    },
  );
});
