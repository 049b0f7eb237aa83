import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { surroundings, type Surroundings } from './config.js';
import { EXIT } from './exit.js';
import { findTarget, type TargetOptions } from './target.js';

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'taskmaster-target-'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const find = (options: TargetOptions = {}, env: Surroundings['env'] = {}) =>
  findTarget(options, { ...surroundings(), env: { TASKMASTER_DATA: join(home, 'data'), ...env } });

/** Leaves what a platform leaves in its data directory. */
async function runsAt(place: string, address: string, { pid = process.pid, port = 1 } = {}): Promise<void> {
  const data = join(home, place);
  await mkdir(data, { recursive: true });
  const record = { version: 1, supervisor: { pid, startedAt: '0' }, address, port, servers: {}, services: {} };
  await writeFile(join(data, 'platform.json'), JSON.stringify(record));
  await writeFile(join(data, 'api-key'), `key-of-${place}\n`);
}
/** Linux and macOS give out smaller ones only. */
const NO_PROCESS = 2 ** 30;

describe('the platform that is meant', () => {
  it('is the one that was named, before that of the environment, before the one that runs here', async () => {
    await runsAt('data', 'http://127.0.0.1:1');
    const env = { TASKMASTER_URL: 'http://env:1', TASKMASTER_API_KEY: 'of-env' };
    expect(await find({ url: 'http://told:1', apiKey: 'told' }, env)).toEqual({ url: 'http://told:1', apiKey: 'told' });
    expect(await find({}, env)).toEqual({ url: 'http://env:1', apiKey: 'of-env' });
    expect(await find()).toEqual({ url: 'http://127.0.0.1:1', apiKey: 'key-of-data' });
  });

  it('is that of a data directory when one is named, whatever the environment says', async () => {
    await runsAt('other', 'http://127.0.0.1:2');
    expect(await find({ data: join(home, 'other') }, { TASKMASTER_URL: 'http://env:1' })).toEqual({
      url: 'http://127.0.0.1:2',
      apiKey: 'key-of-other',
    });
  });

  it('never gets the key of this machine when it is elsewhere', async () => {
    await runsAt('data', 'http://127.0.0.1:1');
    expect(await find({ url: 'http://elsewhere:1' })).toEqual({ url: 'http://elsewhere:1' });
  });

  it('is not one whose process is gone', async () => {
    await runsAt('data', 'http://127.0.0.1:1', { pid: NO_PROCESS });
    await expect(find({ data: join(home, 'data') })).rejects.toMatchObject({
      name: 'CommandFault',
      message: expect.stringContaining('task-master up'),
    });
  });

  it('that is still starting has no address yet', async () => {
    await runsAt('data', 'http://127.0.0.1:0', { port: 0 });
    await expect(find({ data: join(home, 'data') })).rejects.toThrow('still starting');
  });

  it('must be a URL', async () => {
    await expect(find({ url: 'not one' })).rejects.toMatchObject({ exit: EXIT.usage });
  });
});
