import { describe, expect, it } from '@jest/globals';
import { extractTaskMetadata, classifyWork } from './classify.js';
import { validateCompletion } from './completion.js';
import { generateInstructions, INSTRUCTIONS_BYTES_MAX } from './instructions.js';
import { utf8Length } from './text.js';

const COMMIT = 'a'.repeat(40);
const TASK = {
  title: 'Implement login',
  acceptanceCriteria: ['Tests cover the behaviour, including what happens on bad input.', 'Login answers within 200 ms'],
};

describe('validateCompletion', () => {
  it('believes what was observed: a commit, test files and a passing run', () => {
    const check = validateCompletion(
      { title: 'Implement login', acceptanceCriteria: ['Tests cover the behaviour.'] },
      { commit: COMMIT, files: ['src/login.ts', 'src/login.spec.ts'], checks: [{ name: 'npm test', passed: true }] },
    );
    expect(check).toMatchObject({ complete: true, unproven: [] });
  });

  it('does not believe a summary', () => {
    const check = validateCompletion(TASK, { summary: 'Everything is done and tested, latency is 20 ms.' });
    expect(check.complete).toBe(false);
    expect(check.unproven).toEqual(['A change for "Implement login" exists.', ...TASK.acceptanceCriteria]);
  });

  it('says that nothing measured a limit although the tests pass', () => {
    const check = validateCompletion(TASK, {
      commit: COMMIT,
      files: ['login.ts', 'test/user.test.js'],
      checks: [{ name: 'test', passed: true }],
    });
    expect(check.unproven).toEqual(['Login answers within 200 ms']);
    expect(check.findings.at(-1)?.evidence).toBe('Nothing measured it.');
  });

  it('proves nothing by tests that were changed but not run, by failed checks, or by SIMULATED work', () => {
    const files = ['login.ts', 'login.test.ts'];
    expect(validateCompletion(TASK, { commit: COMMIT, files }).unproven).toContain(TASK.acceptanceCriteria[0]);
    expect(validateCompletion(TASK, { commit: COMMIT, files, exitCode: 1 }).findings[1]?.evidence).toContain('failed');
    expect(validateCompletion(TASK, { commit: COMMIT, files, exitCode: 0, simulated: true }).findings[1]?.evidence).toContain('SIMULATED');
  });

  it('accepts documentation only when some was written', () => {
    const task = { title: 'Write the guide', acceptanceCriteria: ['The documentation matches what the code does.'] };
    expect(validateCompletion(task, { commit: COMMIT, files: ['docs/guide.md'] }).complete).toBe(true);
    expect(validateCompletion(task, { commit: COMMIT, files: ['src/a.ts'] }).complete).toBe(false);
  });
});

describe('generateInstructions', () => {
  it('tells an agent the task, the requirement, the conventions, when it is done and what not to do', () => {
    const prompt = generateInstructions(
      { title: 'Implement login', instruction: 'Let users log in.', acceptanceCriteria: ['Wrong passwords are refused.'] },
      {
        requirement: 'Build a user API.',
        context: { technologies: ['TypeScript'], conventions: ['Use tabs.'], secret: 'not for the prompt' },
      },
    );
    for (const part of [
      '# Implement login',
      'Let users log in.',
      'Build a user API.',
      'Technologies: TypeScript.',
      '- Use tabs.',
      '- Wrong passwords are refused.',
      '## What not to do',
      'weaken, skip or delete existing tests',
    ])
      expect(prompt).toContain(part);
    expect(prompt).not.toContain('not for the prompt');
  });

  it('stays inside its bound', () => {
    expect(
      utf8Length(generateInstructions({ title: 'x', instruction: 'é'.repeat(60_000) }, { requirement: '🙂'.repeat(20_000) })),
    ).toBeLessThanOrEqual(INSTRUCTIONS_BYTES_MAX);
  });
});

describe('classification', () => {
  it.each([
    ['Fix the broken link', 'bugfix'],
    ['Refactor the parser', 'refactor'],
    ['Write tests for the parser', 'test'],
    ['Update the README', 'documentation'],
    ['Deploy to production', 'infrastructure'],
    ['Dockerize the app', 'infrastructure'],
    ['Add two-factor authentication', 'security'],
    ['Create the database schema', 'data'],
    ['Add a settings page', 'ui'],
    ['Expose a GraphQL endpoint', 'api'],
    ['Speed up the build', 'performance'],
    ['Add a --version flag', 'feature'],
  ])('takes %j for %s', (text, type) => {
    expect(classifyWork(text)).toBe(type);
  });

  it('tells type, priority, technologies and risks of a description at a glance', () => {
    expect(extractTaskMetadata('Please fix the crash in the Stripe payment webhook, urgently')).toMatchObject({
      type: 'bugfix',
      priority: 'critical',
      technologies: ['Stripe'],
    });
  });
});
