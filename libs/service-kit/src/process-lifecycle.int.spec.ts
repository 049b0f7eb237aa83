import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const LIBRARY = pathToFileURL(join(import.meta.dirname, '..', 'dist', 'index.js')).href;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'taskmaster-lifecycle-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** A process that closes `a`, then runs the given closer, and says so on stdout. */
async function startService(second: string, limitMs = 10_000): Promise<{ readonly child: ChildProcess; readonly output: () => string }> {
  const file = join(directory, `${String(process.hrtime.bigint())}.mjs`);
  await writeFile(
    file,
    `import { announceReady, onShutdown } from '${LIBRARY}';
     setInterval(() => undefined, 1000);
     onShutdown([
       { name: 'a', close: async () => { console.log('a'); } },
       { name: 'b', close: async () => { console.log('b'); ${second} } },
       { name: 'c', close: async () => { console.log('c'); } },
     ], { limitMs: ${String(limitMs)} });
     announceReady({ service: 'example', port: 1234 });`,
  );
  const child = fork(file, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [ready] = (await once(child, 'message')) as [unknown];
  expect(ready).toEqual({ type: 'ready', service: 'example', port: 1234 });
  return { child, output: () => text };
}

const ended = async (child: ChildProcess): Promise<unknown> => (await once(child, 'close'))[0];

describe('onShutdown', () => {
  it('closes in order on SIGTERM and exits with 0', async () => {
    const { child, output } = await startService('');
    const end = ended(child);
    child.kill('SIGTERM');
    expect(await end).toBe(0);
    expect(output()).toBe('a\nb\nc\n');
  });

  it('closes when the supervisor is gone', async () => {
    const { child, output } = await startService('');
    // `close` does not come after a disconnect, so this waits for the two things it stands for.
    const end = Promise.all([once(child, 'exit'), once(child.stdout ?? child, 'end')]);
    child.disconnect();
    expect((await end)[0][0]).toBe(0);
    expect(output()).toBe('a\nb\nc\n');
  });

  it('closes the rest when one fails, and exits with 1', async () => {
    const { child, output } = await startService(`throw new Error('stuck');`);
    const end = ended(child);
    child.kill('SIGINT');
    expect(await end).toBe(1);
    expect(output()).toBe('a\nb\nc\n');
  });

  it('exits with 1 when closing passes its limit', async () => {
    const { child, output } = await startService('await new Promise(() => undefined);', 50);
    const end = ended(child);
    child.kill('SIGTERM');
    expect(await end).toBe(1);
    expect(output()).toBe('a\nb\n');
  });

  it('exits at once on a second signal', async () => {
    const { child } = await startService('await new Promise(() => undefined);');
    const end = ended(child);
    child.kill('SIGTERM');
    await once(child.stdout ?? child, 'data');
    child.kill('SIGTERM');
    expect(await end).toBe(143);
  });
});

describe('sayWhyItEnds', () => {
  it.each([
    ['in the middle of the start', "await Promise.reject(new Error('no answer after 10 tries'));"],
    [
      'in a promise that nobody waits for',
      "void Promise.reject(new Error('no answer after 10 tries')); setInterval(() => undefined, 1000);",
    ],
    ['in a callback', "setTimeout(() => { throw new Error('no answer after 10 tries'); }, 1);"],
  ])('logs one line for what nobody catches %s, and exits with 1', async (_where, statement) => {
    const file = join(directory, `${String(process.hrtime.bigint())}.mjs`);
    await writeFile(file, `import { sayWhyItEnds } from '${LIBRARY}'; sayWhyItEnds('example'); ${statement}`);
    const child = fork(file, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    expect(await ended(child)).toBe(1);
    expect(text.trim().split('\n')).toHaveLength(1);
    const line = JSON.parse(text) as unknown;
    expect(line).toMatchObject({
      level: 'fatal',
      service: 'example',
      msg: 'example cannot go on',
      err: { message: 'no answer after 10 tries' },
    });
  });

  it('says that starting again helps when what is missing may come back', async () => {
    const file = join(directory, `${String(process.hrtime.bigint())}.mjs`);
    const statement = "throw Object.assign(new Error('no answer'), { retryable: true });";
    await writeFile(file, `import { sayWhyItEnds } from '${LIBRARY}'; sayWhyItEnds('example'); ${statement}`);
    const child = fork(file, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    expect(await ended(child)).toBe(1);
    expect((JSON.parse(text) as { readonly msg: string }).msg).toBe(
      'example cannot go on without what did not answer: see to that, check its address, and start it again',
    );
  });
});
