import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Notice } from '@taskmaster/contracts';
import { freshDatabase, type FreshDatabase } from '@taskmaster/testing';
import type { Commit } from './handle-command.js';
import { complete, openReplica, request, type Replica } from './testing/replica.js';

let database: FreshDatabase;
let replica: Replica;
const commits: Commit[] = [];
const here: Notice[] = [];
let takes = true;

beforeEach(async () => {
  database = await freshDatabase();
  commits.length = 0;
  here.length = 0;
  takes = true;
  const takesHere = (notice: Notice): boolean => takes && here.push(notice) > 0;
  replica = await openReplica(database.url, { takesHere, onCommitted: (commit) => commits.push(commit) });
});
afterEach(async () => {
  await replica.close();
  await database.drop();
});

const stepsOf = (notices: readonly Notice[]): readonly string[] => notices.map(({ stepId }) => stepId);
const last = (): readonly (readonly string[])[] => [stepsOf(commits.at(-1)?.told ?? []), stepsOf(commits.at(-1)?.notices ?? [])];

describe('work that becomes ready', () => {
  it('is told to who works in the same process, whoever asked, and needs no message', async () => {
    await replica.handler.handle(request('w'));
    expect(last()).toEqual([['a'], []]);
    await replica.handler.handle(complete('w', 'a'));
    expect(last()).toEqual([['b', 'c', 'd'], []]);
    expect(stepsOf(here)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('goes its way by message when that one does not take it', async () => {
    takes = false;
    await replica.handler.handle(request('w'));
    expect(last()).toEqual([[], ['a']]);
  });

  it('is told to one only: to who asked, when that one does such work', async () => {
    const asker: Notice[] = [];
    await replica.handler.handle(request('w'), (notice) => asker.push(notice) > 0);
    expect([stepsOf(asker), stepsOf(here), ...last()]).toEqual([['a'], [], ['a'], []]);
  });
});
