import { describe, expect, it } from '@jest/globals';
import { simulate } from './simulate.js';

describe('the simulation', () => {
  it('does the same for the same seed, and something else for another', async () => {
    const [once, again, other] = [await simulate({ seed: 5 }), await simulate({ seed: 5 }), await simulate({ seed: 6 })];
    expect(again).toEqual(once);
    expect(other.hash).not.toBe(once.hash);
  });
});
