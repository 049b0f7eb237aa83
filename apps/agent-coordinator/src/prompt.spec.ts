import { describe, expect, it } from '@jest/globals';
import { REQUIREMENT_BYTES_MAX, type JsonObject, type StepContext } from '@taskmaster/contracts';
import { PROMPT_CHARS_MAX, promptOf } from './prompt.js';

const contextWith = (input: JsonObject, requirement: string): StepContext =>
  ({ step: { title: 'Implement it', kind: 'agent.run', input }, dependencies: [], requirement }) as unknown as StepContext;

describe('the prompt of a step', () => {
  it('holds all of a requirement that is the instruction itself, and holds it once', () => {
    const requirement = `begin ${'x'.repeat(REQUIREMENT_BYTES_MAX - 10)} end`;
    const prompt = promptOf(contextWith({ instructionFrom: 'requirement' }, requirement));
    expect(prompt.split(requirement)).toHaveLength(2);
    expect(prompt).toMatch(/that is done for you\.$/);
  });

  it('cuts a long requirement that is there for context only', () => {
    const prompt = promptOf(contextWith({ instruction: 'Do this.' }, 'x'.repeat(REQUIREMENT_BYTES_MAX)));
    expect(prompt).toContain('Do this.');
    expect(prompt).toContain('[cut]');
    expect(prompt.length).toBeLessThanOrEqual(PROMPT_CHARS_MAX);
  });
});
