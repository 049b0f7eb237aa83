import { SUBJECT_WORK_ALL, subjectOfWork, workStreamOf } from '@taskmaster/contracts';
import { describe, expect, it } from '@jest/globals';
import { consumerConfig, streamConfig, type Questions } from './questions.js';

const COMMAND = subjectOfWork('command');
const [FIRST, SECOND] = [workStreamOf(1), workStreamOf(2)];
const STREAM_ABSENT = [404, 10059];
const CONSUMER_ABSENT = [404, 10014];
const MESSAGE_ABSENT = [404, 10037];
const OVERLAPS = [400, 10065];

/** The API of streams and consumers. */
export function describeStreams(questions: () => Questions): void {
  const make = (stream = FIRST): Promise<unknown> => questions().makeStream(stream);

  describe('a stream', () => {
    it('is made once, and found by whoever makes it as it is', async () => {
      await make();
      await questions().fill(COMMAND, 2);
      await make();
      expect(await questions().state(FIRST)).toMatchObject({ messages: 2, last: 2 });
      expect(await questions().names()).toEqual([FIRST]);
    });

    it('has the limits that were asked for', async () => {
      await make();
      const { config } = await questions().ask((manager) => manager.streams.info(FIRST));
      expect(config).toMatchObject(streamConfig(FIRST, SUBJECT_WORK_ALL));
    });

    it('is refused when its subjects are those of another one, which stays as it is', async () => {
      await make();
      await questions().fill(COMMAND, 1);
      expect(await questions().refusal((manager) => manager.streams.add(streamConfig(SECOND, SUBJECT_WORK_ALL)))).toEqual(OVERLAPS);
      expect(await questions().refusal((manager) => manager.streams.add(streamConfig(SECOND, COMMAND)))).toEqual(OVERLAPS);
      expect(await questions().names()).toEqual([FIRST]);
      expect(await questions().state(FIRST)).toMatchObject({ messages: 1, last: 1 });
    });

    it('that is deleted is gone with its messages and consumers, and makes room for another one', async () => {
      await make();
      await questions().fill(COMMAND, 3);
      await questions().ask((manager) => manager.consumers.add(FIRST, consumerConfig('reader')));
      expect(await questions().ask((manager) => manager.streams.delete(FIRST))).toBe(true);
      expect(await questions().names()).toEqual([]);
      await make(SECOND);
      await questions().ask((manager) => manager.streams.delete(SECOND));
      await make();
      expect(await questions().state(FIRST)).toMatchObject({ messages: 0, last: 0 });
      expect(await questions().refusal((manager) => manager.consumers.info(FIRST, 'reader'))).toEqual(CONSUMER_ABSENT);
    });

    it('that is absent is answered as such, whatever is asked of it', async () => {
      const asked = questions();
      expect(await asked.refusal((manager) => manager.streams.info(FIRST))).toEqual(STREAM_ABSENT);
      expect(await asked.refusal((manager) => manager.streams.delete(FIRST))).toEqual(STREAM_ABSENT);
      expect(await asked.refusal((manager) => manager.streams.purge(FIRST, { seq: 2 }))).toEqual(STREAM_ABSENT);
      expect(await asked.refusal((manager) => manager.streams.getMessage(FIRST, { seq: 1 }))).toEqual(STREAM_ABSENT);
      expect(await asked.refusal((manager) => manager.consumers.info(FIRST, 'reader'))).toEqual(STREAM_ABSENT);
      expect(await asked.refusal((manager) => manager.consumers.add(FIRST, consumerConfig('reader')))).toEqual(STREAM_ABSENT);
    });
  });

  describe('the state of a stream', () => {
    it('counts from nothing', async () => {
      await make();
      expect(await questions().state(FIRST)).toEqual({ messages: 0, first: 0, last: 0 });
      await questions().fill(COMMAND, 1);
      expect(await questions().state(FIRST)).toEqual({ messages: 1, first: 1, last: 1 });
    });

    it('keeps its end when what is before a sequence is purged', async () => {
      await make();
      await questions().fill(COMMAND, 5);
      await questions().ask((manager) => manager.streams.purge(FIRST, { seq: 4 }));
      expect(await questions().state(FIRST)).toEqual({ messages: 2, first: 4, last: 5 });
      await questions().ask((manager) => manager.streams.purge(FIRST, { seq: 2 }));
      expect(await questions().state(FIRST)).toEqual({ messages: 2, first: 4, last: 5 });
    });

    it('keeps its end when everything is purged, and goes on after it', async () => {
      await make();
      await questions().fill(COMMAND, 3);
      await questions().ask((manager) => manager.streams.purge(FIRST, { seq: 4 }));
      expect(await questions().state(FIRST)).toEqual({ messages: 0, first: 4, last: 3 });
      expect(await questions().publish(COMMAND)).toMatchObject({ seq: 4 });
      expect(await questions().state(FIRST)).toEqual({ messages: 1, first: 4, last: 4 });
    });

    it('moves its end when it is purged from beyond it', async () => {
      await make();
      await questions().fill(COMMAND, 3);
      await questions().ask((manager) => manager.streams.purge(FIRST, { seq: 8 }));
      expect(await questions().state(FIRST)).toEqual({ messages: 0, first: 8, last: 7 });
      expect(await questions().publish(COMMAND)).toMatchObject({ seq: 8 });
    });

    it('tells of a message that is gone by its count alone', async () => {
      await make();
      await questions().fill(COMMAND, 3);
      await questions().broker.lose(FIRST, 2);
      expect(await questions().state(FIRST)).toEqual({ messages: 2, first: 1, last: 3 });
    });
  });

  describe('a message by its sequence', () => {
    it('has the headers that it was published with', async () => {
      await make();
      await questions().publish(COMMAND, { 'Tm-Upto': '7', 'Nats-Msg-Id': 'x.1' });
      const { seq, header } = await questions().ask((manager) => manager.streams.getMessage(FIRST, { seq: 1 }));
      expect([seq, header.get('Tm-Upto'), header.get('Nats-Msg-Id'), header.get('Tm-After')]).toEqual([1, '7', 'x.1', '']);
    });

    it('is absent before it is published, after it is purged and when it is lost', async () => {
      await make();
      const absent = (seq: number) => questions().refusal((manager) => manager.streams.getMessage(FIRST, { seq }));
      expect(await absent(1)).toEqual(MESSAGE_ABSENT);
      await questions().fill(COMMAND, 4);
      await questions().ask((manager) => manager.streams.purge(FIRST, { seq: 2 }));
      await questions().broker.lose(FIRST, 3);
      expect([await absent(1), await absent(2), await absent(3), await absent(4), await absent(5)]).toEqual([
        MESSAGE_ABSENT,
        'none',
        MESSAGE_ABSENT,
        'none',
        MESSAGE_ABSENT,
      ]);
    });
  });

  describe('a consumer', () => {
    it('is made once, and has the limits that were asked for', async () => {
      await make();
      await questions().ask((manager) => manager.consumers.add(FIRST, consumerConfig('reader')));
      const { config } = await questions().ask((manager) => manager.consumers.add(FIRST, consumerConfig('reader')));
      expect(config).toMatchObject(consumerConfig('reader'));
      expect(await questions().consumer(FIRST, 'reader')).toEqual({ delivered: 0, floor: 0, pending: 0, unanswered: 0 });
    });

    it('that is absent is answered as such', async () => {
      await make();
      expect(await questions().refusal((manager) => manager.consumers.info(FIRST, 'reader'))).toEqual(CONSUMER_ABSENT);
    });

    it('has to be given what is in the stream already, of its subject', async () => {
      await make();
      await questions().fill(COMMAND, 2);
      await questions().fill(subjectOfWork('agent'), 3);
      await questions().ask((manager) => manager.consumers.add(FIRST, consumerConfig('reader')));
      expect(await questions().consumer(FIRST, 'reader')).toMatchObject({ pending: 2, unanswered: 0 });
      await questions().fill(COMMAND, 1);
      expect(await questions().consumer(FIRST, 'reader')).toMatchObject({ pending: 3, unanswered: 0 });
    });
  });
}
