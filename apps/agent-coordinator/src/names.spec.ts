import { describe, expect, it } from '@jest/globals';
import type { StepId, WorkflowId } from '@taskmaster/contracts';
import { attemptBranch, parseBranch, parseRemote, slugOf } from './names.js';

describe('names that reach git', () => {
  it('keeps ids of our alphabet and gives every other id one of its own', () => {
    expect(slugOf('wf_0a1b')).toBe('wf_0a1b');
    const hostile = ['x;id', '--upload-pack=touch x', '../../etc', 'a..b', 'A', 'a', 'x:y', 'x.lock', '', '@{', 'a b', '-x'];
    const slugs = hostile.map(slugOf);
    for (const slug of slugs) expect(slug).toMatch(/^[a-z0-9][a-z0-9_-]*$/);
    expect(new Set(slugs).size).toBe(hostile.length);
  });

  it('never lets the branches of two attempts meet', () => {
    const branch = (step: string, attempt: number): string =>
      attemptBranch({ workflowId: 'wf_1' as WorkflowId, stepId: step as StepId, attempt });
    expect(branch('a', 12)).not.toBe(branch('a-1', 2));
    expect(branch('integration', 1)).toBe('tm/wf_1/integration-1');
  });

  it('refuses branches that git or a command line would take for something else', () => {
    for (const name of ['main', 'release/1.2', 'feature_x']) expect(parseBranch(name).ok).toBe(true);
    for (const name of [
      '--upload-pack=x',
      '-x',
      'a..b',
      'a//b',
      'a/',
      '/a',
      'x.lock',
      'a/.b',
      'x;id',
      'a b',
      'a~1',
      'a^',
      'a:b',
      '@{u}',
      'tm/wf_1/integration',
      'x\n',
    ]) {
      expect([name, parseBranch(name).ok]).toEqual([name, false]);
    }
  });

  it('refuses addresses that git would take for an option or a program', () => {
    for (const url of [
      '/srv/repo.git',
      'https://example.org/a/b.git',
      'ssh://git@example.org/a.git',
      'git@example.org:a/b.git',
      'file:///srv/repo.git',
    ])
      expect(parseRemote(url).ok).toBe(true);
    for (const url of [
      '--upload-pack=touch /tmp/x',
      'ext::sh -c id',
      '-oProxyCommand=x',
      'relative/path',
      'http://example.org/x',
      'ssh://-oProxyCommand=x/y;id',
      'https://x/`id`',
      'a@-x:y',
      '-oProxyCommand=x@host:y',
      'ssh://-x/y',
    ]) {
      expect([url, parseRemote(url).ok]).toEqual([url, false]);
    }
  });
});
