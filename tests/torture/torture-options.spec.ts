import { describe, expect, it } from '@jest/globals';
import { FAULT_KINDS } from './schedule.js';
import { parseTortureOptions } from './torture-options.js';

const wrong = (...args: readonly string[]): unknown => parseTortureOptions(args);

describe('the options of npm run torture', () => {
  it('have defaults', () => {
    expect(parseTortureOptions([])).toEqual({
      seconds: 60,
      seeds: [1],
      kinds: FAULT_KINDS,
      nodes: 1,
      together: false,
      keep: false,
      json: undefined,
      jsonDir: undefined,
    });
  });

  it('take a range of seeds, some kinds of fault and a place for results', () => {
    expect(
      parseTortureOptions(['--seeds', '3-5', '--only', 'kill,pause', '--json-dir', 'out', '--nats-nodes', '3', '--together']),
    ).toMatchObject({
      seeds: [3, 4, 5],
      kinds: ['kill', 'pause'],
      jsonDir: 'out',
      nodes: 3,
      together: true,
    });
    expect(parseTortureOptions(['--help'])).toBe('help');
  });

  it('say what is wrong with them', () => {
    expect(wrong('--seconds', '0')).toEqual({ wrong: '--seconds must be a whole number from 1 to 86400' });
    expect(wrong('--seeds', '5-3')).toHaveProperty('wrong');
    expect(wrong('--seed', 'x')).toHaveProperty('wrong');
    expect(wrong('--only', 'flood')).toEqual({ wrong: `--only takes ${FAULT_KINDS.join(', ')}` });
    expect(wrong('--seeds', '1-2', '--json', 'one.json')).toEqual({ wrong: '--json takes the result of one run; use --json-dir' });
    expect(wrong('--fast')).toHaveProperty('wrong');
  });
});
