import { describe, expect, it } from '@jest/globals';
import { bugNamed, bugs } from './bugs/index.js';
import { simulateRestore } from './restore.js';
import { simulate } from './simulate.js';

/** Seeds that a change must survive; `npm run simulate` runs more. */
const SEEDS = 100;
/** A planted bug is found in one of so many seeds. */
const SEEDS_TO_FIND_A_BUG = 20;
/** Seeds that found something in the product, some of them in an earlier world. It was mended and has specs of its own; they look again. */
const FOUND_SOMETHING: readonly number[] = [117, 152, 212, 288, 600, 790, 1020, 1225, 1244, 1546];

async function firstBroken(bug: string): Promise<readonly string[]> {
  for (let seed = 1; seed <= SEEDS_TO_FIND_A_BUG; seed += 1) {
    const planted = bugNamed(bug);
    if (planted === undefined) break;
    const { violations } = await simulate({ seed, bug: planted });
    if (violations.length > 0) return violations;
  }
  return [];
}

describe('the simulation', () => {
  it('does the same for the same seed, and something else for another', async () => {
    const [once, again, other] = [await simulate({ seed: 5 }), await simulate({ seed: 5 }), await simulate({ seed: 6 })];
    expect(again).toEqual(once);
    expect(other.hash).not.toBe(once.hash);
  });

  it('keeps every invariant and ends every workflow, whatever goes wrong', async () => {
    const sums = { workflows: 0, faults: 0, epochs: 0 };
    const seeds = [...Array.from({ length: SEEDS }, (_, i) => i + 1), ...FOUND_SOMETHING];
    for (const seed of seeds) {
      const { violations, workflows, faults, epochs } = await simulate({ seed });
      expect({ seed, violations }).toEqual({ seed, violations: [] });
      sums.workflows += workflows;
      sums.faults += faults;
      sums.epochs += epochs;
    }
    // A world in which nothing happens would keep every invariant as well.
    expect(sums.workflows).toBeGreaterThan(5 * SEEDS);
    expect(sums.faults).toBeGreaterThan(5 * SEEDS);
    expect(sums.epochs).toBeGreaterThan(1.5 * SEEDS);
  }, 300_000);

  it('notices a log that was restored and has grown past its former end, and publishes nothing from it', async () => {
    let grown = 0;
    for (let seed = 1; seed <= SEEDS_TO_FIND_A_BUG; seed += 1) {
      const { violations, faults } = await simulateRestore({ seed });
      expect({ seed, violations }).toEqual({ seed, violations: [] });
      grown += faults;
    }
    expect(grown).toBeGreaterThan(SEEDS_TO_FIND_A_BUG / 2);
  }, 120_000);

  it.each(bugs().map(({ name }) => name))(
    'finds the planted bug %s',
    async (name) => {
      expect(await firstBroken(name)).not.toEqual([]);
    },
    120_000,
  );
});
