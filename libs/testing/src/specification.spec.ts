import { describe, expect, it } from '@jest/globals';
import { seededRandom, specificationOf } from './index.js';

type Event = { readonly type: 'Counted'; readonly data: { readonly by: number } };
type Command = { readonly type: 'Count'; readonly by: number };

const given = specificationOf<number, Command, Event, Event>({
  initial: () => 0,
  evolve: (total, fact) => total + fact.data.by,
  decide: (command, total) => {
    if (command.by === 0) return { kind: 'noop' };
    if (total + command.by > 10) return { kind: 'rejected', code: 'too-much' };
    return { kind: 'accepted', events: [{ type: 'Counted', data: { by: command.by } }] };
  },
});
const counted = (by: number): Event => ({ type: 'Counted', data: { by } });
const count = (by: number): Command => ({ type: 'Count', by });

describe('given, when, then', () => {
  it('folds the facts before it decides', () => {
    given(counted(4)).when(count(6)).then(counted(6));
    given(counted(4)).when(count(6)).thenTypes('Counted');
    given(counted(5)).when(count(6)).thenRejected('too-much');
    given().when(count(0)).thenNothing();
  });

  it('fails when something else was decided', () => {
    expect(() => given().when(count(1)).then(counted(2))).toThrow();
    expect(() => given().when(count(1)).then()).toThrow();
    expect(() => given().when(count(1)).thenRejected('too-much')).toThrow('expected the rejection too-much, got events Counted');
    expect(() => given(counted(10)).when(count(1)).thenRejected('other')).toThrow();
    expect(() => given(counted(10)).when(count(1)).thenNothing()).toThrow('got the rejection too-much');
    expect(() => given().when(count(0)).thenLater()).toThrow('got noop');
  });
});

describe('seededRandom', () => {
  it('gives the same numbers for the same seed, and others for another', () => {
    const draw = (seed: number) => {
      const random = seededRandom(seed);
      return Array.from({ length: 20 }, () => random.next());
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('reaches both ends of a range and nothing beyond', () => {
    const random = seededRandom(7);
    const seen = new Set(Array.from({ length: 500 }, () => random.integer(3, 6)));
    expect([...seen].sort()).toEqual([3, 4, 5, 6]);
  });

  it('shuffles without losing or doubling anything', () => {
    const list = [1, 2, 3, 4, 5, 6, 7, 8];
    const shuffled = seededRandom(3).shuffle(list);
    expect(shuffled).not.toEqual(list);
    expect([...shuffled].sort()).toEqual(list);
  });
});
