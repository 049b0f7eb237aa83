import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { TenantId } from '@taskmaster/contracts';
import { freshDatabase, openAddress, type FreshDatabase } from '@taskmaster/testing';
import { Lists } from './lists.js';

let database: FreshDatabase;
beforeEach(async () => {
  database = await freshDatabase();
});
afterEach(async () => {
  await database.drop();
});

const listsAt = (url: string): Lists => new Lists({ url, connections: 1, restricted: true, onError: () => undefined });

describe('the lists', () => {
  it('are opened once, by the first question', async () => {
    const lists = listsAt(database.url);
    const [first, second] = await Promise.all([lists.opened(), lists.opened()]);
    expect(second).toBe(first);
    expect(await first.countWorkflows('default' as TenantId)).toEqual({ byStatus: {}, openSteps: 0 });
    await lists.close();
  });

  it('are tried again by the next question when they could not be opened', async () => {
    const gone = await database.copy();
    await gone.drop();
    const options = { url: gone.url, connections: 1, restricted: true, onError: () => undefined };
    const lists = new Lists(options);
    await expect(lists.opened()).rejects.toThrow();
    options.url = database.url;
    expect(await (await lists.opened()).countWorkflows('default' as TenantId)).toEqual({ byStatus: {}, openSteps: 0 });
    await lists.close();
  });

  it('give up a connection whose database does not answer within the limit, and ask over another one', async () => {
    const url = new URL(database.url);
    const address = await openAddress(Number(url.port));
    const ofDatabase = Number(url.port);
    url.port = String(address.port);
    const lists = new Lists({ url: url.href, connections: 1, restricted: true, onError: () => undefined, answerMsMax: 2_000 });
    const count = async () => (await lists.opened()).countWorkflows('default' as TenantId);
    const before = await count();
    address.silence();
    await expect(count()).rejects.toThrow('the database did not answer within 2000 ms');
    address.leadTo(ofDatabase);
    expect(await count()).toEqual(before);
    await lists.close();
    await address.close();
  });

  it('that were never asked for have nothing to close', async () => {
    await expect(listsAt(database.url).close()).resolves.toBeUndefined();
  });
});
