import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  COMMAND_REQUESTS_IN_FLIGHT_MAX,
  COMMANDS_PER_REQUEST_MAX,
  deriveUuid,
  StateUnavailable,
  SUBJECT_COMMANDS,
  subjectOfQuery,
  type CommandAnswer,
  type CommandEnvelope,
  type CommandId,
  type CommandReply,
  type CommandRequest,
  type StreamId,
  type TenantId,
} from '@taskmaster/contracts';
import { eventually, startBroker, type TestBroker } from '@taskmaster/testing';
import type { Msg, NatsConnection, Subscription } from 'nats';
import { brokerHealth, connectBroker, NatsCommandSender, NatsQueryAsker } from './index.js';

let broker: TestBroker;
let near: NatsConnection;
let far: NatsConnection;

beforeAll(async () => {
  broker = await startBroker();
  near = await connectBroker({ url: broker.url, name: 'asker' });
  far = await connectBroker({ url: broker.url, name: 'answerer' });
}, 60_000);
afterAll(async () => {
  await near.close();
  await far.close();
  await broker.stop();
});

const envelope = (n: number, size = 0): CommandEnvelope => ({
  id: deriveUuid('spec', String(n)) as CommandId,
  stream: `workflow-${String(n)}` as StreamId,
  tenantId: 'default' as TenantId,
  actor: { kind: 'service', id: 'spec' },
  correlationId: 'x'.repeat(size),
  command: { type: 'PauseWorkflow', data: { reason: 'spec' } },
});

const accept = ({ stream }: CommandEnvelope): CommandAnswer => ({ outcome: 'accepted', stream, version: 1, position: 1 });
const replyTo = (message: Msg, answers: CommandReply['answers']): boolean => message.respond(JSON.stringify({ answers }));

interface Answerer {
  readonly requests: readonly CommandEnvelope[][];
  readonly subscription: Subscription;
}

async function answerCommands(answer: (message: Msg, commands: readonly CommandEnvelope[], request: number) => void): Promise<Answerer> {
  const requests: CommandEnvelope[][] = [];
  const subscription = far.subscribe(SUBJECT_COMMANDS, {
    callback: (_error, message) => {
      const { commands } = message.json<CommandRequest>();
      requests.push([...commands]);
      answer(message, commands, requests.length);
    },
  });
  await far.flush();
  return { requests, subscription };
}

describe('NatsCommandSender', () => {
  it('lets commands that arise while the allowed requests are in flight travel together, each with its own answer', async () => {
    const held: (() => void)[] = [];
    const { requests, subscription } = await answerCommands((message, commands) => {
      held.push(() => replyTo(message, commands.map(accept)));
    });
    const sender = new NatsCommandSender(near);
    const answers: Promise<CommandAnswer>[] = [];
    while (answers.length < COMMAND_REQUESTS_IN_FLIGHT_MAX) {
      answers.push(sender.send(envelope(answers.length)));
      await eventually(() => held.length === answers.length);
    }
    const later = COMMANDS_PER_REQUEST_MAX + 34;
    for (let n = 0; n < later; n += 1) answers.push(sender.send(envelope(answers.length)));
    for (const release of held.splice(0)) release();
    await eventually(() => requests.length === COMMAND_REQUESTS_IN_FLIGHT_MAX + 2);
    for (const release of held.splice(0)) release();
    const streams = (await Promise.all(answers)).map((answer) => (answer.outcome === 'accepted' ? answer.stream : ''));
    expect(streams).toEqual(streams.map((_, n) => `workflow-${String(n)}`));
    const alone = Array.from({ length: COMMAND_REQUESTS_IN_FLIGHT_MAX }, () => 1);
    expect(requests.map((request) => request.length)).toEqual([...alone, COMMANDS_PER_REQUEST_MAX, 34]);
    subscription.unsubscribe();
  });

  it('lets commands that arise in one turn travel together', async () => {
    const { requests, subscription } = await answerCommands((message, commands) => replyTo(message, commands.map(accept)));
    const sender = new NatsCommandSender(near);
    await Promise.all([0, 1, 2].map((n) => sender.send(envelope(n))));
    expect(requests.map((request) => request.length)).toEqual([3]);
    subscription.unsubscribe();
  });

  it('never lets a request grow beyond the size of a message', async () => {
    const sizes: number[] = [];
    const { subscription } = await answerCommands((message, commands) => {
      sizes.push(message.data.length);
      replyTo(message, commands.map(accept));
    });
    const sender = new NatsCommandSender(near);
    await Promise.all(Array.from({ length: 12 }, (_, n) => sender.send(envelope(n, 100_000))));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(512 * 1024);
    subscription.unsubscribe();
  });

  it('asks again with the same id when a reply is lost', async () => {
    const { requests, subscription } = await answerCommands((message, commands, request) => {
      if (request > 1) replyTo(message, commands.map(accept));
    });
    const answer = await new NatsCommandSender(near).send(envelope(1));
    expect(answer.outcome).toBe('accepted');
    expect(requests.map(([command]) => command?.id)).toEqual([envelope(1).id, envelope(1).id]);
    subscription.unsubscribe();
  });

  it('asks again only for the commands that met a fault', async () => {
    const { requests, subscription } = await answerCommands((message, commands, request) => {
      const answers = commands.map((command) =>
        request === 1 && command.stream.endsWith('2') ? ({ outcome: 'fault', detail: 'db' } as const) : accept(command),
      );
      replyTo(message, answers);
    });
    const sender = new NatsCommandSender(near);
    const answers = await Promise.all([0, 1, 2, 3].map((n) => sender.send(envelope(n))));
    expect(answers.every(({ outcome }) => outcome === 'accepted')).toBe(true);
    expect(requests.map((request) => request.map(({ stream }) => stream))).toEqual([
      ['workflow-0', 'workflow-1', 'workflow-2', 'workflow-3'],
      ['workflow-2'],
    ]);
    subscription.unsubscribe();
  });

  it('waits for somebody who answers, and says StateUnavailable at the deadline', async () => {
    const sender = new NatsCommandSender(near);
    await expect(sender.send(envelope(1), { deadlineMs: 200 })).rejects.toBeInstanceOf(StateUnavailable);
    const late = sender.send(envelope(2));
    const { subscription } = await answerCommands((message, commands) => replyTo(message, commands.map(accept)));
    expect((await late).outcome).toBe('accepted');
    subscription.unsubscribe();
  });
});

describe('NatsQueryAsker', () => {
  it('asks again after a lost reply and after a fault, and gives up at the deadline', async () => {
    let asked = 0;
    const subscription = far.subscribe(subjectOfQuery('ListAgents'), {
      callback: (_error, message) => {
        asked += 1;
        if (asked === 2) message.respond(JSON.stringify({ fault: 'database' }));
        if (asked === 3) message.respond(JSON.stringify({ answer: { items: [] } }));
      },
    });
    await far.flush();
    const asker = new NatsQueryAsker(near);
    expect(await asker.ask('ListAgents', { tenantId: 'default' as TenantId })).toEqual({ items: [] });
    expect(asked).toBe(3);
    subscription.unsubscribe();
    await expect(asker.ask('GetHealth', {}, { deadlineMs: 100 })).rejects.toBeInstanceOf(StateUnavailable);
  });
});

describe('connectBroker', () => {
  it('survives a broker that is killed, and what was asked meanwhile is answered', async () => {
    const { subscription } = await answerCommands((message, commands) => replyTo(message, commands.map(accept)));
    expect((await brokerHealth(near)).status).toBe('up');
    await broker.kill9();
    const answer = new NatsCommandSender(near).send(envelope(7));
    expect((await brokerHealth(near)).status).toBe('down');
    await broker.restart();
    expect((await answer).outcome).toBe('accepted');
    expect((await brokerHealth(near)).status).toBe('up');
    subscription.unsubscribe();
  }, 20_000);
});
