import { describe, expect, it } from '@jest/globals';
import { assignmentOf } from './assignment-line.js';
import { FAULTS, parseScenario, ScenarioBook, type Scenario } from './scenario.js';

const scenarioOf = (json: unknown): Scenario => {
  const parsed = parseScenario(json);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
};
const attempt = (step: string, number = 1): { workflow: string; step: string; attempt: number; workspace: string } => ({
  workflow: 'wf_1',
  step,
  attempt: number,
  workspace: '/w',
});

describe('parseScenario', () => {
  it.each(FAULTS)('knows the fault %s', (fault) => {
    expect(scenarioOf({ rules: [{ fault }] }).rules[0]?.fault).toBe(fault);
  });

  it.each([
    ['nothing', 'a scenario is an object'],
    [{ rule: [] }, 'unknown field rule'],
    [{ rules: [{ fault: 'laughs' }] }, 'rules[0]: fault is one of'],
    [{ rules: [{ fault: 'busy', when: 1 }] }, 'rules[0]: unknown field when'],
    [{ rules: {} }, 'rules is a list'],
  ])('says what is wrong with %j', (json, message) => {
    const parsed = parseScenario(json);
    expect(parsed.ok ? '' : parsed.error).toContain(message);
  });
});

describe('a scenario book', () => {
  it('matches by step, prefix, workflow and attempt', () => {
    const book = new ScenarioBook();
    const scenario = scenarioOf({
      rules: [
        { step: 'login', attempt: 1, fault: 'crash' },
        { step: 'fix-*', fault: 'dialog' },
        { workflow: 'wf_2', fault: 'busy' },
      ],
    });
    expect(book.faultFor(scenario, attempt('login'))?.name).toBe('crash');
    expect(book.faultFor(scenario, attempt('login', 2))).toBeUndefined();
    expect(book.faultFor(scenario, attempt('fix-3'))?.name).toBe('dialog');
    expect(book.faultFor(scenario, { ...attempt('other'), workflow: 'wf_2' })?.name).toBe('busy');
  });

  it('uses a rule up, also when the file is read again', () => {
    const book = new ScenarioBook();
    const json = { rules: [{ fault: 'no-change', times: 2 }] };
    const names = [1, 2, 3].map(() => book.faultFor(scenarioOf(json), attempt('a'))?.name);
    expect(names).toEqual(['no-change', 'no-change', undefined]);
  });
});

describe('the assignment of a prompt', () => {
  const line = '[taskmaster] workflow=wf_1 step=login attempt=2 workspace="/tmp/a \\"b\\""';

  it('is read from the first line or the header', () => {
    const expected = { workflow: 'wf_1', step: 'login', attempt: 2, workspace: '/tmp/a "b"' };
    expect(assignmentOf(undefined, `${line}\nDo it.`)).toEqual(expected);
    expect(assignmentOf(encodeURIComponent(line), 'Do it.')).toEqual(expected);
  });

  it('is never read from a later line, which anybody may have written', () => {
    expect(assignmentOf(undefined, `Do it.\n${line}`)).toBeUndefined();
    expect(assignmentOf('%', `${line}`)).toBeUndefined();
  });

  it('needs an absolute path', () => {
    expect(assignmentOf(undefined, '[taskmaster] workflow=w step=s attempt=1 workspace="here"')).toBeUndefined();
  });
});
