import { subjectOfWork, workStreamOf } from '@taskmaster/contracts';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ConsumerConfig, Msg } from 'nats';
import { consumerConfig, countsOf, deliveryOf, sequencesOf, type PullOptions, type Pulling, type Questions } from './questions.js';

const [COMMAND, AGENT] = [subjectOfWork('command'), subjectOfWork('agent')];
const STREAM = workStreamOf(1);
const READER = 'reader';
const HEARTBEAT = 100;
const TIMEOUT = 408;
const CONFLICT = 409;
const NO_RESPONDERS = 503;

/** Requests for messages of a durable consumer. */
export function describePulling(questions: () => Questions): void {
  const pull = (options?: PullOptions): Pulling => questions().pull(STREAM, READER, options);
  const make = (more: Partial<ConsumerConfig> = {}): Promise<unknown> =>
    questions().ask((manager) => manager.consumers.add(STREAM, consumerConfig(READER, more)));

  const waiting = (count: number): Promise<void> => questions().waiting(STREAM, READER, count);

  beforeEach(() => questions().makeStream(STREAM));

  describe('a request', () => {
    it('is given the messages of its subject in their order, and no more than it asked for', async () => {
      await make();
      for (const subject of [COMMAND, AGENT, COMMAND, AGENT, COMMAND, COMMAND]) await questions().publish(subject);
      const pulling = pull({ batch: 3 });
      expect(sequencesOf(await pulling.came(3))).toEqual([1, 3, 5]);
      pulling.ask({ batch: 1 });
      expect(sequencesOf(await pulling.came(4))).toEqual([1, 3, 5, 6]);
      expect(await questions().consumer(STREAM, READER)).toMatchObject({ pending: 0, unanswered: 4 });
    });

    it('is given messages under their own subject, with their headers and what is left', async () => {
      await make();
      await questions().publish(COMMAND, { 'Tm-Upto': '9' });
      await questions().fill(COMMAND, 2);
      const [first, second] = await pull({ batch: 2 }).came(2);
      expect([first!.subject, first!.headers?.get('Tm-Upto'), first!.string()]).toEqual([COMMAND, '9', '{"notices":[]}']);
      expect(deliveryOf(first!)).toEqual({ stream: STREAM, consumer: READER, deliveries: 1, sequence: 1, consumerSequence: 1, pending: 2 });
      expect(deliveryOf(second!)).toMatchObject({ deliveries: 1, sequence: 2, consumerSequence: 2, pending: 1 });
    });

    it('waits for what is published later', async () => {
      await make();
      const pulling = pull({ batch: 2 });
      await questions().fill(AGENT, 1);
      await questions().fill(COMMAND, 1);
      expect(sequencesOf(await pulling.came(1))).toEqual([2]);
      await questions().fill(COMMAND, 1);
      expect(sequencesOf(await pulling.came(2))).toEqual([2, 3]);
    });

    it('takes turns with others that wait', async () => {
      await make();
      const one = pull({ batch: 3 });
      await waiting(1);
      const two = pull({ batch: 2, connection: questions().broker.other });
      await waiting(2);
      await questions().fill(COMMAND, 5);
      expect(sequencesOf(await one.came(3))).toEqual([1, 3, 5]);
      expect(sequencesOf(await two.came(2))).toEqual([2, 4]);
    });

    it('hears that the server is alive while there is nothing', async () => {
      await make();
      const pulling = pull({ heartbeatMs: HEARTBEAT });
      await questions().broker.eventually(() => pulling.statuses.length >= 2, 'two heartbeats');
      expect(new Set(pulling.statuses.map(({ headers }) => headers?.code))).toEqual(new Set([100]));
      await questions().fill(COMMAND, 1);
      expect(sequencesOf(await pulling.came(1))).toEqual([1]);
    });

    it('ends after its time with the number of messages that it was not given, and is given nothing more', async () => {
      await make();
      await questions().fill(COMMAND, 1);
      const began = questions().broker.timers.now();
      const pulling = pull({ batch: 5, expiresMs: 3 * HEARTBEAT, heartbeatMs: HEARTBEAT });
      const { headers } = await pulling.told(TIMEOUT);
      expect(questions().broker.timers.now() - began).toBeGreaterThanOrEqual(3 * HEARTBEAT);
      expect(headers?.get('Nats-Pending-Messages')).toBe('4');
      await questions().fill(COMMAND, 1);
      expect(await questions().consumer(STREAM, READER)).toMatchObject({ pending: 1, unanswered: 1 });
      expect(pulling.messages).toHaveLength(1);
    });

    it('ends on its own when there are others on its inbox', async () => {
      await make();
      const pulling = pull({ batch: 5, expiresMs: 3 * HEARTBEAT, heartbeatMs: HEARTBEAT });
      await waiting(1);
      pulling.ask({ batch: 3, expiresMs: 6 * HEARTBEAT, heartbeatMs: HEARTBEAT });
      await waiting(2);
      await questions().fill(COMMAND, 2);
      const ended = (): readonly Msg[] => pulling.statuses.filter(({ headers }) => headers?.code === TIMEOUT);
      await questions().broker.eventually(() => ended().length === 2, 'the end of both');
      expect(ended().map(({ headers }) => headers?.get('Nats-Pending-Messages'))).toEqual(['4', '2']);
    });

    it('that was given all it asked for hears nothing more', async () => {
      await make();
      await questions().fill(COMMAND, 1);
      const pulling = pull({ batch: 1, expiresMs: 3 * HEARTBEAT, heartbeatMs: HEARTBEAT });
      await pulling.came(1);
      const later = pull({ batch: 1, expiresMs: 6 * HEARTBEAT, heartbeatMs: HEARTBEAT });
      await later.told(TIMEOUT);
      expect(pulling.statuses).toEqual([]);
    });

    it('takes nothing when nobody reads its inbox any more', async () => {
      await make();
      const gone = pull({ batch: 5 });
      await waiting(1);
      gone.unsubscribe();
      const pulling = pull({ batch: 5 });
      await questions().fill(COMMAND, 2);
      expect(countsOf(await pulling.came(2))).toEqual([
        [1, 1],
        [2, 1],
      ]);
      expect(await questions().consumer(STREAM, READER)).toMatchObject({ unanswered: 2 });
    });

    it('takes nothing when its connection was closed', async () => {
      await make();
      const { broker } = questions();
      const brief = await broker.connect();
      pull({ batch: 5, connection: brief });
      await waiting(1);
      await broker.settle(brief.close());
      const pulling = pull({ batch: 5 });
      await questions().fill(COMMAND, 2);
      expect(countsOf(await pulling.came(2))).toEqual([
        [1, 1],
        [2, 1],
      ]);
    });
  });

  describe('no more messages', () => {
    it('are given than may be unanswered, until one is', async () => {
      await make({ max_ack_pending: 2 });
      await questions().fill(COMMAND, 4);
      const pulling = pull({ batch: 4, heartbeatMs: HEARTBEAT });
      const [first] = await pulling.came(2);
      await pulling.told(100);
      expect(await questions().consumer(STREAM, READER)).toMatchObject({ pending: 2, unanswered: 2 });
      await questions().answer(first, '+ACK');
      expect(sequencesOf(await pulling.came(3))).toEqual([1, 2, 3]);
    });
  });

  describe('a request to what is gone', () => {
    it('is not answered when the consumer or the stream is absent', async () => {
      const pulling = pull({ heartbeatMs: HEARTBEAT, expiresMs: 2 * HEARTBEAT });
      const other = questions().pull(workStreamOf(2), READER, { heartbeatMs: HEARTBEAT, expiresMs: 2 * HEARTBEAT });
      await make();
      await pull({ heartbeatMs: HEARTBEAT, expiresMs: 3 * HEARTBEAT }).told(TIMEOUT);
      // Newer servers say that nobody is there. Whoever hears nothing notices that the heartbeats are missing.
      const expected = questions().broker.isNewer ? [NO_RESPONDERS] : [];
      for (const { statuses } of [pulling, other]) expect(statuses.map(({ headers }) => headers?.code)).toEqual(expected);
    });

    it('is told that it is gone when it waited before', async () => {
      await make();
      const pulling = pull({ batch: 5 });
      await waiting(1);
      await questions().ask((manager) => manager.streams.delete(STREAM));
      expect((await pulling.told(CONFLICT)).headers?.description).toContain('Deleted');
    });
  });
}
