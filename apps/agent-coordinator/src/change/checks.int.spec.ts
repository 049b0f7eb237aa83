import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { write } from '../testbed.fixture.js';
import { runChecks } from './checks.js';
import { planValidation } from './validators.js';

const env = { PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`, LC_ALL: 'C' };

describe('validating a checkout', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'tm-checks-'));
  });
  afterEach(() => {
    rmSync(cwd, { recursive: true, force: true });
  });

  it('runs the tests of a Python repository, and a failing one fails', async () => {
    write(cwd, {
      'calc.py': 'def one():\n    return 1\n',
      'tests/__init__.py': '',
      'tests/test_calc.py':
        'import unittest\nfrom calc import one\n\nclass T(unittest.TestCase):\n    def test_one(self):\n        self.assertEqual(one(), 1)\n',
    });
    expect(await runChecks({ cwd, env }, [])).toMatchObject({ passed: true, checks: [{ name: 'python tests', passed: true }] });
    write(cwd, { 'calc.py': 'def one():\n    return 2\n' });
    expect(await runChecks({ cwd, env }, [])).toMatchObject({ passed: false, checks: [{ name: 'python tests', passed: false }] });
  });

  it('runs make test where a Makefile is all there is', async () => {
    write(cwd, { Makefile: 'test:\n\t@echo from make\n' });
    const result = await planValidation(cwd, []);
    expect(result.checks).toEqual([{ name: 'make test', command: ['make', 'test'] }]);
  });

  it('runs what .taskmaster.json declares instead of what it finds', async () => {
    write(cwd, {
      '.taskmaster.json': JSON.stringify({
        validate: [['sh', '-c', 'echo declared; exit 3'], { name: 'second', command: ['true'] }, 'nonsense'],
      }),
      Makefile: 'test:\n\ttrue\n',
    });
    const result = await runChecks({ cwd, env }, []);
    expect(result).toMatchObject({
      passed: false,
      checks: [
        { passed: false, outputTail: 'declared\n' },
        { name: 'second', passed: true },
      ],
    });
  });

  it('passes with an empty list where nothing is declared', async () => {
    expect(await runChecks({ cwd, env }, [])).toEqual({ kind: 'checked', passed: true, checks: [] });
  });

  it('says what could not be run instead of guessing a result', async () => {
    const result = await runChecks({ cwd, env }, [{ name: 'ghost', command: ['no-such-program-here'] }]);
    expect(result).toMatchObject({ kind: 'unavailable', error: { type: 'dependency', retryable: false } });
  });

  it('ends a validator that takes too long together with everything it started', async () => {
    const result = await runChecks({ cwd, env }, [{ name: 'slow', command: ['sh', '-c', 'sleep 60 & sleep 60'], timeoutMs: 200 }]);
    expect(result).toMatchObject({ passed: false, checks: [{ name: 'slow', passed: false }] });
  });

  it('hands a hostile argument to the program as it is', async () => {
    const result = await runChecks({ cwd, env }, [{ name: 'x;id', command: ['printf', '%s', '$(id);`id`'] }]);
    expect(result).toMatchObject({ checks: [{ passed: true, outputTail: '$(id);`id`' }] });
  });

  it('installs only what is declared and missing', async () => {
    write(cwd, { 'package.json': JSON.stringify({ dependencies: { x: '1.0.0' }, scripts: { test: 'jest' } }), 'package-lock.json': '{}' });
    expect((await planValidation(cwd, [])).prepare.map((step) => step.command[1])).toEqual(['ci']);
    write(cwd, { 'node_modules/x/package.json': '{}' });
    expect((await planValidation(cwd, [])).prepare).toEqual([]);
  });
});
