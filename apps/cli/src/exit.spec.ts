import { describe, expect, it } from '@jest/globals';
import { ConnectionError, ProblemError } from '@taskmaster/client';
import { CommandFault, EXIT, exitCodeOf, wordsOf } from './exit.js';

const problem = (status: number, more: Record<string, unknown> = {}): ProblemError =>
  new ProblemError({ type: 'urn:x', title: 'The request is not valid', status, detail: 'limit: must be less', code: 'x', ...more });

describe('the exit code', () => {
  it.each([
    [400, EXIT.usage],
    [401, EXIT.auth],
    [403, EXIT.auth],
    [404, EXIT.notFound],
    [409, EXIT.conflict],
    [413, EXIT.usage],
    [415, EXIT.usage],
    [422, EXIT.usage],
    [429, EXIT.failed],
    [500, EXIT.failed],
    [503, EXIT.failed],
    [504, EXIT.timeout],
  ])('of an answer %i is %i', (status, code) => {
    expect(exitCodeOf(problem(status))).toBe(code);
  });

  it('of a command that cannot go on is its own, and of anything else a failure', () => {
    expect(exitCodeOf(new CommandFault('no', EXIT.conflict))).toBe(EXIT.conflict);
    expect(exitCodeOf(new CommandFault('no'))).toBe(EXIT.failed);
    expect(exitCodeOf(new ConnectionError('nobody answers'))).toBe(EXIT.failed);
    expect(exitCodeOf(new TypeError('a bug'))).toBe(EXIT.failed);
  });
});

describe('the words of a refusal', () => {
  it('say title and detail, and each place once', () => {
    expect(wordsOf(problem(400, { errors: [{ parameter: 'limit', detail: 'must be less' }] }))).toBe(
      'The request is not valid: limit: must be less',
    );
    const two = [
      { parameter: 'limit', detail: 'must be less' },
      { pointer: '/a', detail: 'must be a string' },
    ];
    expect(wordsOf(problem(400, { errors: two }))).toBe(
      'The request is not valid: limit: must be less\n  limit: must be less\n  /a: must be a string',
    );
  });

  it('do not say the same twice', () => {
    const missing = { title: 'There is no such workflow' };
    expect(wordsOf(problem(404, { ...missing, detail: 'there is no such workflow' }))).toBe('There is no such workflow');
    expect(wordsOf(problem(404, { ...missing, detail: 'There is no workflow wf_1.' }))).toBe('There is no workflow wf_1.');
  });

  it('name what would be possible, and where a key is given', () => {
    const paused = { title: 'This transition is not allowed', detail: 'it has ended', allowedTransitions: [] };
    expect(wordsOf(problem(409, paused))).toBe('This transition is not allowed: it has ended\n  possible from here: nothing');
    expect(wordsOf(problem(401))).toContain('TASKMASTER_API_KEY');
  });

  it('say where the platform is told when nobody answers', () => {
    expect(wordsOf(new ConnectionError('http://127.0.0.1:1 does not answer'))).toContain('task-master up');
  });
});
