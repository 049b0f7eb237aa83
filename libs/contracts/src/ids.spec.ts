import { describe, expect, it } from '@jest/globals';
import { newWorkflowId, parseWorkflowId } from './ids.js';

describe('the name of a new workflow', () => {
  const at = (ms: number, byte = 255): string => newWorkflowId(ms, new Uint8Array(16).fill(byte));

  it('is wf_ and 26 characters, in the order of time whatever chance adds', () => {
    const times = [0, 1, 31, 32, 1_700_000_000_000, 1_700_000_000_001, 2 ** 48 - 1];
    const names = times.map((ms, i) => at(ms, (i * 97) % 256));
    expect([...names].sort()).toEqual(names);
    for (const name of names) expect(name).toMatch(/^wf_[0-9a-hjkmnp-tv-z]{26}$/);
    expect(names.map((name) => parseWorkflowId(name).ok)).not.toContain(false);
  });

  it('differs for two of the same instant', () => {
    expect(at(1_700_000_000_000, 1)).not.toBe(at(1_700_000_000_000, 2));
  });
});
