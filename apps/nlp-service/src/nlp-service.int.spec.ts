import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  deriveUuid,
  SUBJECT_COMMANDS,
  type CommandEnvelope,
  type CommandReply,
  type CommandRequest,
  type Notice,
} from '@taskmaster/contracts';
import { connectBroker, WorkStream } from '@taskmaster/messaging';
import { eventually, startBroker, type TestBroker } from '@taskmaster/testing';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const notice: Notice = {
  eventId: deriveUuid('event', 'nlp') as Notice['eventId'],
  position: 1,
  tenantId: 'default' as Notice['tenantId'],
  workflowId: 'wf_1' as Notice['workflowId'],
  stepId: 'tm-analyze-1' as Notice['stepId'],
  attempt: 1,
  kind: 'requirements.parse',
  input: { text: 'Add a --version flag', context: {} },
  correlationId: 'corr',
};

/** Starts the built service; collects what it prints. */
function start(environment: Readonly<Record<string, string>>): { readonly child: ChildProcess; readonly output: () => string } {
  let output = '';
  const child = spawn(process.execPath, [MAIN], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  return { child, output: () => output };
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  child.exitCode !== null ? Promise.resolve(child.exitCode) : new Promise((resolve) => child.once('exit', resolve));

describe('the process of nlp-service with a real broker', () => {
  let broker: TestBroker;
  let connection: Awaited<ReturnType<typeof connectBroker>>;
  let work: WorkStream;
  const received: CommandEnvelope[] = [];

  beforeAll(async () => {
    broker = await startBroker();
    connection = await connectBroker({ url: broker.url, name: 'spec' });
    connection.subscribe(SUBJECT_COMMANDS, {
      callback: (_, message) => {
        const { commands } = message.json<CommandRequest>();
        received.push(...commands);
        const reply: CommandReply = { answers: commands.map(({ stream }) => ({ outcome: 'accepted', stream, version: 2, position: 2 })) };
        message.respond(JSON.stringify(reply));
      },
    });
    let epoch = 0;
    const epochs = {
      current: () => Promise.resolve({ epoch, acknowledgedUpto: 0 }),
      bump: () => Promise.resolve((epoch += 1)),
      acknowledge: () => Promise.resolve(true),
    };
    async function* openWork(): AsyncIterable<readonly Notice[]> {
      yield await Promise.resolve([notice]);
    }
    // Open work is what a new epoch begins with, so the notice is in the stream before the service starts.
    work = new WorkStream(connection);
    await work.open(epochs, { head: () => Promise.resolve(1), eventAt: () => Promise.resolve(undefined), openWork });
  }, 60_000);
  afterAll(async () => {
    await work.close();
    await connection.close();
    await broker.stop();
  });

  it('answers a notice with a command, reports itself ready and drains on SIGTERM', async () => {
    const { child, output } = start({ NATS_URL: broker.url, NLP_PROVIDER: 'offline' });
    await eventually(() => Promise.resolve(received.length > 0), { what: 'a command' });
    expect(received[0]).toMatchObject({
      causationId: notice.eventId,
      command: { type: 'CompleteStep', data: { output: { items: [{ title: 'Add a --version flag' }], use: { provider: 'offline' } } } },
    });
    await eventually(() => Promise.resolve(output().includes('"ready"')), { what: 'readiness' });
    expect(output()).not.toContain('--version flag');
    child.kill('SIGTERM');
    expect(await exitOf(child)).toBe(0);
  }, 30_000);

  it('refuses to start with the default provider and no key, naming the variable', async () => {
    const { child, output } = start({ NATS_URL: broker.url });
    expect(await exitOf(child)).not.toBe(0);
    expect(output()).toContain('ANTHROPIC_API_KEY: is required');
  }, 30_000);
});
