import { describe, expect, it } from '@jest/globals';
import { FAULT_KINDS, scheduleOf, TARGETS, TARGETS_TOGETHER, type Entry } from './schedule.js';

const SEEDS = Array.from({ length: 200 }, (_, index) => index + 1);
const faults = (entries: readonly Entry[]): readonly Entry[] => entries.filter(({ kind }) => kind !== 'copy');

describe('the schedule of a torture run', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(scheduleOf(7, 60)).toEqual(scheduleOf(7, 60));
    expect(scheduleOf(7, 60)).not.toEqual(scheduleOf(8, 60));
  });

  it('lies in order within its seconds, with enough faults to matter', () => {
    for (const seed of SEEDS) {
      const entries = scheduleOf(seed, 60);
      expect(entries.map(({ atMs }) => atMs)).toEqual(entries.map(({ atMs }) => atMs).sort((a, b) => a - b));
      expect(entries.every(({ atMs }) => atMs >= 0 && atMs < 60_000)).toBe(true);
      expect(faults(entries).length).toBeGreaterThan(15);
    }
  });

  it.each([
    { together: false, targets: TARGETS },
    { together: true, targets: TARGETS_TOGETHER },
  ])('does every kind of fault and hits each of $targets, over many seeds', ({ together, targets }) => {
    const all = SEEDS.flatMap((seed) => faults(scheduleOf(seed, 60, { together })));
    expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS));
    expect(new Set(all.flatMap((fault) => (fault.kind === 'kill' ? [fault.target] : [])))).toEqual(new Set(targets));
  });

  it('leaves kinds out of some mixes, but never the kills', () => {
    const mixes = SEEDS.map((seed) => new Set(faults(scheduleOf(seed, 60)).map(({ kind }) => kind)));
    expect(mixes.every((mix) => mix.has('kill'))).toBe(true);
    for (const kind of FAULT_KINDS.filter((known) => known !== 'kill')) expect(mixes.some((mix) => !mix.has(kind))).toBe(true);
  });

  it('does only what is asked for', () => {
    expect(new Set(faults(scheduleOf(3, 60, { kinds: ['kill'] })).map(({ kind }) => kind))).toEqual(new Set(['kill']));
  });

  it('has a copy of the disk before a rollback asks for one', () => {
    for (const seed of SEEDS) {
      const [first] = scheduleOf(seed, 60).filter(({ kind }) => kind === 'copy' || kind === 'nats-rollback');
      expect(first?.kind).toBe('copy');
    }
  });
});
