import { subjectOfWork, workStreamOf } from '@taskmaster/contracts';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { nanos, type ConsumerConfig, type Msg } from 'nats';
import {
  ACK_WAIT_LONG_MS,
  ACK_WAIT_MS,
  consumerConfig,
  countsOf,
  deliveryOf,
  sequencesOf,
  type PullOptions,
  type Pulling,
  type Questions,
} from './questions.js';

const [COMMAND, AGENT] = [subjectOfWork('command'), subjectOfWork('agent')];
const STREAM = workStreamOf(1);
const READER = 'reader';
const HEARTBEAT = 100;
/** Long enough that a slow machine says in time that it works. */
const HELD_MS = 600;
const [ACK, WORKING, TERMINATE] = ['+ACK', '+WPI', '+TERM'];
const giveBack = (ms: number): string => `-NAK {"delay":${String(nanos(ms))}}`;

/** What becomes of a delivered message, by what it is answered. */
export function describeAnswering(questions: () => Questions): void {
  const pull = (options?: PullOptions): Pulling => questions().pull(STREAM, READER, options);
  const make = (more: Partial<ConsumerConfig> = {}): Promise<unknown> =>
    questions().ask((manager) => manager.consumers.add(STREAM, consumerConfig(READER, more)));
  const state = () => questions().consumer(STREAM, READER);
  const now = (): number => questions().broker.timers.now();
  const answer = (message: Msg | undefined, text: string): Promise<void> => questions().answer(message, text);

  const replaceStream = async (): Promise<void> => {
    await questions().ask((manager) => manager.streams.delete(STREAM));
    await questions().makeStream(STREAM);
    await make();
  };

  beforeEach(() => questions().makeStream(STREAM));

  describe('an answer', () => {
    beforeEach(() => make());

    it('settles its message and no other, in any order, and the floor follows what is answered from the beginning', async () => {
      await questions().fill(COMMAND, 4);
      const [first, second, third, fourth] = await pull({ batch: 4 }).came(4);
      expect(await state()).toEqual({ delivered: 4, floor: 0, pending: 0, unanswered: 4 });
      await answer(second, ACK);
      expect(await state()).toEqual({ delivered: 4, floor: 0, pending: 0, unanswered: 3 });
      await answer(first, ACK);
      expect(await state()).toEqual({ delivered: 4, floor: 2, pending: 0, unanswered: 2 });
      await answer(fourth, ACK);
      await answer(third, TERMINATE);
      expect(await state()).toEqual({ delivered: 4, floor: 4, pending: 0, unanswered: 0 });
    });

    it('of an answered message changes nothing', async () => {
      await questions().fill(COMMAND, 2);
      const [first] = await pull({ batch: 2 }).came(2);
      await answer(first, ACK);
      for (const text of [ACK, WORKING, TERMINATE, giveBack(1)]) await answer(first, text);
      expect(await state()).toEqual({ delivered: 2, floor: 1, pending: 0, unanswered: 1 });
    });

    it('of a deleted stream does nothing to what is still to be delivered of the one that is made in its place', async () => {
      await questions().fill(COMMAND, 1);
      const [old] = await pull().came(1);
      await replaceStream();
      old!.respond(ACK);
      await questions().reached();
      await questions().fill(COMMAND, 1);
      expect(await state()).toMatchObject({ pending: 1, unanswered: 0 });
    });

    it('of a deleted stream is one to what is delivered with its sequence, if the one in its place has its name', async () => {
      await questions().fill(COMMAND, 1);
      const [old] = await pull().came(1);
      await replaceStream();
      await questions().fill(COMMAND, 1);
      await pull().came(1);
      old!.respond(ACK);
      // Newer servers may know better.
      await questions().broker.eventually(async () => (await state()).unanswered === 0 || questions().broker.isNewer, 'the answer');
    });

    it('moves the floor of a consumer whose messages are not next to each other', async () => {
      for (const subject of [AGENT, AGENT, COMMAND, AGENT, COMMAND]) await questions().publish(subject);
      const [first, second] = await pull({ batch: 2 }).came(2);
      expect(await state()).toEqual({ delivered: 5, floor: 0, pending: 0, unanswered: 2 });
      await answer(first, ACK);
      expect(await state()).toEqual({ delivered: 5, floor: 4, pending: 0, unanswered: 1 });
      await answer(second, ACK);
      expect(await state()).toEqual({ delivered: 5, floor: 5, pending: 0, unanswered: 0 });
    });
  });

  describe('a consumer', () => {
    beforeEach(() => make());

    it('that finds nothing of its subject has nothing left below the end of the stream', async () => {
      const pulling = pull({ batch: 5, heartbeatMs: HEARTBEAT });
      await questions().fill(COMMAND, 1);
      const [message] = await pulling.came(1);
      await questions().fill(AGENT, 2);
      // Newer servers leave it where it was.
      const end = questions().broker.isNewer ? 1 : 3;
      await questions().broker.eventually(async () => (await state()).delivered === end, 'a look to the end');
      await answer(message, ACK);
      expect(await state()).toEqual({ delivered: end, floor: end, pending: 0, unanswered: 0 });
    });

    it('passes over what is purged', async () => {
      await questions().fill(COMMAND, 4);
      for (const message of await pull({ batch: 2 }).came(2)) await answer(message, ACK);
      await questions().ask((manager) => manager.streams.purge(STREAM, { seq: 4 }));
      expect(await state()).toMatchObject({ pending: 1, unanswered: 0 });
      expect(sequencesOf(await pull({ batch: 2 }).came(1))).toEqual([4]);
    });

    it('has a place of its own', async () => {
      await questions().ask((manager) =>
        manager.consumers.add(STREAM, consumerConfig('second', { filter_subject: AGENT, ack_wait: nanos(ACK_WAIT_MS) })),
      );
      for (const subject of [COMMAND, AGENT, COMMAND, AGENT]) await questions().publish(subject);
      const [first] = await pull({ batch: 9 }).came(2);
      const [other] = await questions().pull(STREAM, 'second', { batch: 9 }).came(2);
      await answer(other, ACK);
      expect(await questions().consumer(STREAM, 'second')).toMatchObject({ floor: 3, pending: 0, unanswered: 1 });
      expect(await state()).toMatchObject({ floor: 0, pending: 0, unanswered: 2 });
      await answer(first, ACK);
      expect(await state()).toMatchObject({ floor: 2, pending: 0, unanswered: 1 });
    });

    it('owes nothing when what it has not had is purged', async () => {
      await questions().fill(COMMAND, 2);
      await questions().ask((manager) => manager.streams.purge(STREAM, { seq: 3 }));
      expect(await state()).toMatchObject({ pending: 0, unanswered: 0 });
      const { delivered } = await state();
      expect(delivered).toBeLessThanOrEqual(2);
    });
  });

  describe('a message', () => {
    it('that nobody answers is delivered again after the wait, counted, until it is answered', async () => {
      await make({ ack_wait: nanos(ACK_WAIT_MS) });
      await questions().fill(COMMAND, 1);
      const began = now();
      const pulling = pull({ batch: 3 });
      await pulling.came(2);
      expect(now() - began).toBeGreaterThanOrEqual(ACK_WAIT_MS);
      const messages = await pulling.came(3);
      expect(now() - began).toBeGreaterThanOrEqual(2 * ACK_WAIT_MS);
      expect(countsOf(messages)).toEqual([
        [1, 1],
        [1, 2],
        [1, 3],
      ]);
      expect(messages.map((message) => deliveryOf(message).consumerSequence)).toEqual([1, 2, 3]);
      expect(await state()).toMatchObject({ pending: 0, unanswered: 1 });
    });

    it('waits for a request when its time is over, and then comes before what is new', async () => {
      await make({ ack_wait: nanos(ACK_WAIT_MS) });
      await questions().fill(COMMAND, 2);
      await pull({ batch: 1 }).came(1);
      await questions().pass(3 * ACK_WAIT_MS);
      const messages = await pull({ batch: 2 }).came(2);
      expect(countsOf(messages)).toEqual([
        [1, 2],
        [2, 1],
      ]);
    });

    it('is kept from others as long as its holder says that it works', async () => {
      await make({ ack_wait: nanos(HELD_MS) });
      await questions().fill(COMMAND, 1);
      const { broker } = questions();
      const pulling = pull({ batch: 2 });
      const [message] = await pulling.came(1);
      const endWork = broker.timers.every(HELD_MS / 10, () => void message!.respond(WORKING));
      await questions().pass(2 * HELD_MS);
      endWork();
      expect(pulling.messages).toHaveLength(1);
      const lastSaid = now();
      message!.respond(WORKING);
      const messages = await pulling.came(2);
      expect(now() - lastSaid).toBeGreaterThanOrEqual(HELD_MS);
      expect(countsOf(messages)).toEqual([
        [1, 1],
        [1, 2],
      ]);
    });

    it('comes again although its holder says that it works, when its time was over before', async () => {
      await make({ ack_wait: nanos(ACK_WAIT_MS) });
      await questions().fill(COMMAND, 2);
      const [message] = await pull({ batch: 1 }).came(1);
      await questions().pass(3 * ACK_WAIT_MS);
      await answer(message, WORKING);
      expect(countsOf(await pull({ batch: 1 }).came(1))).toEqual([[1, 2]]);
    });

    it('that is given back comes again after the delay, which may be shorter or longer than the wait', async () => {
      await make();
      await questions().fill(COMMAND, 1);
      const pulling = pull({ batch: 9 });
      const [first] = await pulling.came(1);
      const began = now();
      await answer(first, giveBack(300));
      const [, second] = await pulling.came(2);
      expect(now() - began).toBeGreaterThanOrEqual(300);
      expect(now() - began).toBeLessThan(ACK_WAIT_LONG_MS);
      expect(deliveryOf(second!)).toMatchObject({ sequence: 1, deliveries: 2, consumerSequence: 2 });
      expect(await state()).toMatchObject({ pending: 0, unanswered: 1 });
    });

    it('that is given back for longer than the wait comes no earlier', async () => {
      await make({ ack_wait: nanos(ACK_WAIT_MS) });
      await questions().fill(COMMAND, 1);
      const pulling = pull({ batch: 9 });
      const [first] = await pulling.came(1);
      const began = now();
      await answer(first, giveBack(3 * ACK_WAIT_MS));
      await pulling.came(2);
      expect(now() - began).toBeGreaterThanOrEqual(3 * ACK_WAIT_MS);
    });

    it('that is given back when its time was over before waits for the delay', async () => {
      await make({ ack_wait: nanos(ACK_WAIT_MS) });
      await questions().fill(COMMAND, 2);
      const [first] = await pull({ batch: 1 }).came(1);
      await questions().pass(3 * ACK_WAIT_MS);
      await answer(first, giveBack(60_000));
      expect(countsOf(await pull({ batch: 1 }).came(1))).toEqual([[2, 1]]);
    });

    it('that is given back makes no room for others', async () => {
      await make({ max_ack_pending: 1 });
      await questions().fill(COMMAND, 2);
      const pulling = pull({ batch: 2 });
      const [first] = await pulling.came(1);
      await answer(first, giveBack(200));
      expect(countsOf(await pulling.came(2))).toEqual([
        [1, 1],
        [1, 2],
      ]);
      expect(await state()).toMatchObject({ pending: 1, unanswered: 1 });
    });

    it('that was terminated or answered never comes again', async () => {
      await make({ ack_wait: nanos(ACK_WAIT_MS) });
      await questions().fill(COMMAND, 3);
      const pulling = pull({ batch: 9 });
      const [first, second] = await pulling.came(3);
      await answer(first, ACK);
      await answer(second, TERMINATE);
      expect(countsOf(await pulling.came(5)).slice(3)).toEqual([
        [3, 2],
        [3, 3],
      ]);
    });

    it('is settled by the late answer of whoever had it before', async () => {
      await make({ ack_wait: nanos(ACK_WAIT_MS) });
      await questions().fill(COMMAND, 2);
      const pulling = pull({ batch: 9 });
      const [first] = await pulling.came(2);
      await pulling.came(4);
      await answer(first, ACK);
      expect(await state()).toMatchObject({ unanswered: 1 });
      const after = pulling.messages.length;
      expect(new Set(sequencesOf(await pulling.came(after + 2)).slice(after))).toEqual(new Set([2]));
    });

    it('is kept from others also by whoever had it before', async () => {
      await make({ ack_wait: nanos(HELD_MS) });
      await questions().fill(COMMAND, 1);
      const pulling = pull({ batch: 3 });
      const [first] = await pulling.came(2);
      await questions().pass(HELD_MS / 2);
      const lastSaid = now();
      await answer(first, WORKING);
      await pulling.came(3);
      expect(now() - lastSaid).toBeGreaterThanOrEqual(HELD_MS);
    });

    it('is given back also by the late answer of whoever had it before', async () => {
      await make({ ack_wait: nanos(ACK_WAIT_MS) });
      await questions().fill(COMMAND, 2);
      const [first] = await pull().came(1);
      await questions().pass(3 * ACK_WAIT_MS);
      await pull().came(1);
      await answer(first, giveBack(60_000));
      await questions().pass(3 * ACK_WAIT_MS);
      expect(countsOf(await pull().came(1))).toEqual([[2, 1]]);
    });

    it('that is lost while it is unanswered never comes again, and is owed no more', async () => {
      await make({ ack_wait: nanos(ACK_WAIT_MS) });
      await questions().fill(COMMAND, 2);
      const pulling = pull({ batch: 9 });
      await pulling.came(2);
      await questions().broker.lose(STREAM, 2);
      // Some newer servers count it for longer.
      await questions().broker.eventually(async () => (await state()).unanswered === 1 || questions().broker.isNewer, 'one that is owed');
      const before = pulling.messages.length;
      const later = (await pulling.came(before + 3)).slice(before);
      expect(new Set(sequencesOf(later))).toEqual(new Set([1]));
    });

    it('that is purged while it is unanswered does not come again, and its answer is taken', async () => {
      await make();
      await questions().fill(COMMAND, 3);
      const [first] = await pull({ batch: 2 }).came(2);
      await questions().ask((manager) => manager.streams.purge(STREAM, { seq: 2 }));
      await answer(first, ACK);
      expect(await state()).toEqual({ delivered: 2, floor: 1, pending: 1, unanswered: 1 });
    });
  });
}
