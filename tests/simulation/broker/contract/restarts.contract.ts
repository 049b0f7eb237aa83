import { SUBJECT_FEED, subjectOfWork, workStreamOf } from '@taskmaster/contracts';
import { describe, expect, it } from '@jest/globals';
import { ErrorCode, nanos, type ConsumerConfig } from 'nats';
import { ACK_WAIT_MS, consumerConfig, countsOf, deliveryOf, DUPLICATE_WINDOW_MS, sequencesOf, type Questions } from './questions.js';

const [COMMAND, AGENT] = [subjectOfWork('command'), subjectOfWork('agent')];
const STREAM = workStreamOf(1);
const READER = 'reader';
const HEARTBEAT = 100;
const ID = 'Nats-Msg-Id';
const EXPECTED_ID = 'Nats-Expected-Last-Msg-Id';
const WRONG_ID = { error: { code: 400, err_code: 10070 } };
const NO_RESPONDERS = 503;

/** What is left after the server ended and was started again, with its disk, without it, and with an older one. */
export function describeRestarts(questions: () => Questions): void {
  const make = async (more: Partial<ConsumerConfig> = {}): Promise<void> => {
    await questions().makeStream(STREAM);
    await questions().ask((manager) => manager.consumers.add(STREAM, consumerConfig(READER, more)));
  };
  const restart = async (): Promise<void> => {
    await questions().broker.stop();
    await questions().broker.start();
  };
  const state = () => questions().consumer(STREAM, READER);

  describe('a server with its disk', () => {
    it('has its streams, messages and consumers', async () => {
      await make();
      await questions().publish(COMMAND, { 'Tm-Upto': '3' });
      await questions().fill(COMMAND, 3);
      await questions().ask((manager) => manager.streams.purge(STREAM, { seq: 2 }));
      const [first] = await questions().pull(STREAM, READER, { batch: 2 }).came(2);
      first!.respond('+ACK');
      await questions().broker.eventually(async () => (await state()).unanswered === 1, 'the answer');
      await restart();
      expect(await questions().names()).toEqual([STREAM]);
      expect(await questions().state(STREAM)).toEqual({ messages: 3, first: 2, last: 4 });
      expect(await state()).toEqual({ delivered: 3, floor: 2, pending: 1, unanswered: 1 });
      expect(await questions().publish(COMMAND, { 'Nats-Expected-Last-Sequence': '4' })).toMatchObject({ seq: 5 });
    });

    it('delivers again what was unanswered, and goes on counting', async () => {
      await make({ ack_wait: nanos(ACK_WAIT_MS) });
      await questions().fill(COMMAND, 2);
      const pulling = questions().pull(STREAM, READER, { batch: 4 });
      await pulling.came(4);
      await restart();
      const messages = await questions().pull(STREAM, READER, { batch: 2 }).came(2);
      expect(countsOf(messages)).toEqual([
        [1, 3],
        [2, 3],
      ]);
    });

    it('takes answers to what it delivered before', async () => {
      await make();
      await questions().fill(COMMAND, 2);
      const [first, second] = await questions().pull(STREAM, READER, { batch: 2 }).came(2);
      await restart();
      first!.respond('+ACK');
      second!.respond('+TERM');
      await questions().broker.eventually(async () => (await state()).unanswered === 0, 'the answers');
      expect(await state()).toMatchObject({ floor: 2, pending: 0 });
    });

    it('has forgotten the requests that waited', async () => {
      await make();
      const pulling = questions().pull(STREAM, READER, { batch: 5 });
      await questions().waiting(STREAM, READER, 1);
      await restart();
      await questions().fill(COMMAND, 1);
      expect(await state()).toMatchObject({ pending: 1, unanswered: 0 });
      expect(pulling.messages).toEqual([]);
    });

    it('has forgotten how far a consumer looked, but not what it delivered', async () => {
      await make();
      const pulling = questions().pull(STREAM, READER, { batch: 5, heartbeatMs: HEARTBEAT });
      await questions().fill(COMMAND, 1);
      const [message] = await pulling.came(1);
      message!.respond('+ACK');
      await questions().fill(AGENT, 3);
      if (!questions().broker.isNewer)
        await questions().broker.eventually(async () => (await state()).delivered === 4, 'a look to the end');
      await restart();
      expect(await state()).toEqual({ delivered: 1, floor: 1, pending: 0, unanswered: 0 });
    });

    it('has forgotten the id of the last message when the window was over', async () => {
      await make();
      await questions().publish(COMMAND, { [ID]: 'a.1' });
      await questions().broker.stop();
      await questions().pass(2 * DUPLICATE_WINDOW_MS);
      await questions().broker.start();
      const refused = await questions().publish(COMMAND, { [EXPECTED_ID]: 'a.1' });
      // The newest servers know it still.
      if (!questions().broker.isNewer || refused.error !== undefined) expect(refused).toMatchObject(WRONG_ID);
      const { last } = await questions().state(STREAM);
      expect(await questions().publish(COMMAND, { [ID]: 'a.1' })).toEqual({ stream: STREAM, seq: last + 1 });
      expect(await questions().publish(COMMAND, { [EXPECTED_ID]: 'a.1' })).toEqual({ stream: STREAM, seq: last + 2 });
    });
  });

  describe('a connection', () => {
    it('is made again by itself, with its subscriptions, each once', async () => {
      const { broker } = questions();
      const heard: string[] = [];
      const listen = (): { unsubscribe(): void } =>
        broker.connection.subscribe(SUBJECT_FEED, { callback: (_error, message) => void heard.push(message.string()) });
      const before = listen();
      const ended = listen();
      await questions().reached();
      await broker.stop();
      const meanwhile = listen();
      ended.unsubscribe();
      await broker.start();
      broker.other.publish(SUBJECT_FEED, 'x');
      broker.other.publish(SUBJECT_FEED, 'y');
      await broker.eventually(() => heard.includes('y'), 'the second message');
      await questions().reached();
      expect(heard.sort()).toEqual(['x', 'x', 'y', 'y']);
      for (const subscription of [before, meanwhile]) subscription.unsubscribe();
    });

    it('loses what is published while there is no server', async () => {
      await make();
      const { broker } = questions();
      const heard: string[] = [];
      const subscription = broker.other.subscribe(SUBJECT_FEED, { callback: (_error, message) => void heard.push(message.string()) });
      await broker.stop();
      broker.connection.publish(SUBJECT_FEED, 'meanwhile');
      broker.connection.publish(COMMAND, '{}');
      await broker.start();
      broker.connection.publish(SUBJECT_FEED, 'after');
      await broker.eventually(() => heard.includes('after'), 'a message');
      expect(heard).toEqual(['after']);
      expect(await questions().state(STREAM)).toMatchObject({ messages: 0 });
      subscription.unsubscribe();
    });
  });

  describe('a question', () => {
    it('that is asked while there is no server is late, although the server comes back', async () => {
      await make();
      const { broker } = questions();
      await broker.stop();
      const manager = await broker.settle(broker.connection.jetstreamManager({ checkAPI: false, timeout: 500 }));
      const asked = manager.streams.info(STREAM).catch((error: unknown) => error);
      await broker.start();
      expect(await broker.settle(asked)).toMatchObject({ name: 'NatsError', code: ErrorCode.Timeout });
    });

    it('is answered again after the server comes back, as often as it does', async () => {
      await make();
      for (let count = 0; count < 3; count += 1) {
        await restart();
        await questions().fill(COMMAND, 1);
      }
      expect(await questions().state(STREAM)).toEqual({ messages: 3, first: 1, last: 3 });
    });
  });

  describe('a server that lost its disk', () => {
    it('has no streams and no consumers', async () => {
      await make();
      await questions().fill(COMMAND, 2);
      await questions().broker.wipe();
      expect(await questions().names()).toEqual([]);
      expect(await questions().publish(COMMAND)).toEqual({ status: NO_RESPONDERS });
      await make();
      expect(await questions().publish(COMMAND)).toEqual({ stream: STREAM, seq: 1 });
      expect(await state()).toEqual({ delivered: 0, floor: 0, pending: 1, unanswered: 0 });
    });
  });

  describe('a server whose stream is older than its consumers', () => {
    /** Two messages stay, six more are delivered, all but the last are answered; then the six never were. */
    const loseTail = async (): Promise<void> => {
      const { broker } = questions();
      await make({ ack_wait: nanos(ACK_WAIT_MS) });
      await questions().fill(COMMAND, 2);
      const restore = await broker.copyMessages(STREAM);
      await questions().fill(COMMAND, 6);
      const messages = await questions().pull(STREAM, READER, { batch: 8 }).came(8);
      for (const message of messages.slice(0, 7)) message.respond('+ACK');
      await broker.eventually(async () => (await state()).unanswered === 1, 'the answers');
      await broker.stop();
      await restore();
      await broker.start();
    };

    it('has the older messages, and goes on after them', async () => {
      await loseTail();
      expect(await questions().state(STREAM)).toEqual({ messages: 2, first: 1, last: 2 });
      expect(await questions().publish(COMMAND)).toMatchObject({ seq: 3 });
    });

    it('says that the consumer is ahead, which passes over what is published until the stream is as long as it was', async () => {
      await loseTail();
      const { delivered } = await state();
      // The newest servers set it back, and it passes over nothing.
      const isAhead = delivered !== 2;
      if (isAhead) expect(delivered).toBe(8);
      expect(isAhead || questions().broker.isNewer).toBe(true);
      await questions().fill(COMMAND, 7);
      const messages = await questions().pull(STREAM, READER, { batch: 2 }).came(2);
      expect([...sequencesOf(messages)].sort()).toEqual(isAhead ? [8, 9] : [3, 4]);
    });

    it('delivers what the consumer had not answered when the stream has come so far again', async () => {
      await loseTail();
      if ((await state()).delivered === 2) return;
      const pulling = questions().pull(STREAM, READER, { batch: 9 });
      await questions().fill(COMMAND, 5);
      await questions().pass(3 * ACK_WAIT_MS);
      expect([pulling.messages.length, (await state()).unanswered]).toEqual([0, 1]);
      await questions().fill(COMMAND, 1);
      const [message] = await pulling.came(1);
      expect(deliveryOf(message!)).toMatchObject({ sequence: 8 });
      expect(deliveryOf(message!).deliveries).toBeGreaterThan(1);
    });
  });
}
