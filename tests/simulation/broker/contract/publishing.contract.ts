import { subjectOfDeadLetter, subjectOfWork, workStreamOf } from '@taskmaster/contracts';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { DUPLICATE_WINDOW_MS, type Questions } from './questions.js';

const COMMAND = subjectOfWork('command');
const [STREAM, OTHER] = [workStreamOf(1), workStreamOf(2)];
const EXPECTED_STREAM = 'Nats-Expected-Stream';
const EXPECTED_LAST = 'Nats-Expected-Last-Sequence';
const EXPECTED_ID = 'Nats-Expected-Last-Msg-Id';
const ID = 'Nats-Msg-Id';
const NO_RESPONDERS = 503;
const WRONG_STREAM = { error: { code: 400, err_code: 10060 } };
const WRONG_SEQUENCE = { error: { code: 400, err_code: 10071 } };
const WRONG_ID = { error: { code: 400, err_code: 10070 } };
const IN_FLIGHT = 64;

/** Messages that ask to be kept, and what they are answered. */
export function describePublishing(questions: () => Questions): void {
  const stored = (): Promise<number> =>
    questions()
      .state(STREAM)
      .then(({ messages }) => messages);

  beforeEach(() => questions().makeStream(STREAM));

  describe('publishing', () => {
    it('is answered with the stream and the sequence, which counts all subjects', async () => {
      expect(await questions().publish(COMMAND)).toEqual({ stream: STREAM, seq: 1 });
      expect(await questions().publish(subjectOfWork('agent'))).toEqual({ stream: STREAM, seq: 2 });
      expect(await questions().publish(COMMAND)).toEqual({ stream: STREAM, seq: 3 });
    });

    it('keeps the order of one connection, and answers in it, however many are unanswered', async () => {
      const answers = Array.from({ length: IN_FLIGHT }, (_, i) =>
        questions().send(COMMAND, { [EXPECTED_STREAM]: STREAM, [EXPECTED_LAST]: String(i), [ID]: `a.${String(i)}` }),
      );
      for (const [index, answer] of answers.entries()) expect(await answer()).toEqual({ stream: STREAM, seq: index + 1 });
    });

    it('is kept without being answered when it names no reply', async () => {
      questions().broker.connection.publish(COMMAND, '{}');
      await questions().broker.eventually(async () => (await stored()) === 1, 'a message in the stream');
    });

    it('is told that nobody is there when no stream has the subject', async () => {
      expect(await questions().publish(subjectOfDeadLetter('reader'))).toEqual({ status: NO_RESPONDERS });
      await questions().ask((manager) => manager.streams.delete(STREAM));
      expect(await questions().publish(COMMAND)).toEqual({ status: NO_RESPONDERS });
    });
  });

  describe('a publish that expects something', () => {
    it('is refused for another stream, and nothing is kept', async () => {
      expect(await questions().publish(COMMAND, { [EXPECTED_STREAM]: OTHER })).toMatchObject(WRONG_STREAM);
      expect(await stored()).toBe(0);
    });

    it('is refused for another last sequence, before or after, and nothing is kept', async () => {
      await questions().fill(COMMAND, 2);
      for (const wrong of ['0', '1', '3'])
        expect(await questions().publish(COMMAND, { [EXPECTED_LAST]: wrong })).toMatchObject(WRONG_SEQUENCE);
      expect(await stored()).toBe(2);
      expect(await questions().publish(COMMAND, { [EXPECTED_LAST]: '2' })).toEqual({ stream: STREAM, seq: 3 });
    });

    it('is refused for another last message, also when that had no id, and nothing is kept', async () => {
      await questions().publish(COMMAND, { [ID]: 'a.1' });
      expect(await questions().publish(COMMAND, { [EXPECTED_ID]: 'b.1' })).toMatchObject(WRONG_ID);
      expect(await questions().publish(COMMAND, { [EXPECTED_ID]: 'a.1', [ID]: 'a.2' })).toEqual({ stream: STREAM, seq: 2 });
      expect(await questions().publish(COMMAND, { [EXPECTED_ID]: 'a.1' })).toMatchObject(WRONG_ID);
      await questions().publish(COMMAND);
      expect(await questions().publish(COMMAND, { [EXPECTED_ID]: 'a.2' })).toMatchObject(WRONG_ID);
      expect(await stored()).toBe(3);
    });

    it('is refused for the stream first, then for the sequence, then for the message', async () => {
      const all = { [EXPECTED_STREAM]: OTHER, [EXPECTED_LAST]: '5', [EXPECTED_ID]: 'b.1' };
      expect(await questions().publish(COMMAND, all)).toMatchObject(WRONG_STREAM);
      expect(await questions().publish(COMMAND, { ...all, [EXPECTED_STREAM]: STREAM })).toMatchObject(WRONG_SEQUENCE);
      expect(await questions().publish(COMMAND, { ...all, [EXPECTED_STREAM]: STREAM, [EXPECTED_LAST]: '0' })).toMatchObject(WRONG_ID);
    });

    it('is taken once when two expect the same', async () => {
      const head = { [EXPECTED_LAST]: '0' };
      const answers = [questions().send(COMMAND, head), questions().send(COMMAND, head, questions().broker.other)];
      const [one, other] = [await answers[0]!(), await answers[1]!()];
      expect([one, other].filter(({ error }) => error === undefined)).toHaveLength(1);
      expect([one, other].filter(({ error }) => error?.err_code === WRONG_SEQUENCE.error.err_code)).toHaveLength(1);
      expect(await stored()).toBe(1);
    });

    it('goes by the sequence of a stream that was purged to its end', async () => {
      await questions().publish(COMMAND, { [ID]: 'a.1' });
      await questions().ask((manager) => manager.streams.purge(STREAM, { seq: 2 }));
      expect(await questions().publish(COMMAND, { [EXPECTED_LAST]: '0' })).toMatchObject(WRONG_SEQUENCE);
      expect(await questions().publish(COMMAND, { [EXPECTED_LAST]: '1', [EXPECTED_ID]: 'a.1' })).toEqual({ stream: STREAM, seq: 2 });
    });
  });

  describe('a message id', () => {
    it('is taken once within the window; the answer tells the first sequence', async () => {
      const answers = [COMMAND, COMMAND, subjectOfWork('agent')].map((subject) => questions().send(subject, { [ID]: 'a.1' }));
      expect(await answers[0]!()).toEqual({ stream: STREAM, seq: 1 });
      expect(await answers[1]!()).toEqual({ stream: STREAM, seq: 1, duplicate: true });
      expect(await answers[2]!()).toEqual({ stream: STREAM, seq: 1, duplicate: true });
      expect(await stored()).toBe(1);
    });

    it('is taken once also by whoever expects something, and looked at after the stream', async () => {
      const head = { [ID]: 'a.1', [EXPECTED_LAST]: '0' };
      const first = questions().send(COMMAND, head);
      const again = questions().send(COMMAND, head);
      const elsewhere = questions().send(COMMAND, { ...head, [EXPECTED_STREAM]: OTHER });
      expect(await first()).toEqual({ stream: STREAM, seq: 1 });
      // Newer servers compare the sequence before the id. A publisher takes either for a refusal.
      expect(await again()).toMatchObject(questions().broker.isNewer ? WRONG_SEQUENCE : { seq: 1, duplicate: true });
      expect(await elsewhere()).toMatchObject(WRONG_STREAM);
      expect(await stored()).toBe(1);
    });

    it('is forgotten after the window', async () => {
      await questions().publish(COMMAND, { [ID]: 'a.1' });
      const repeat = async (): Promise<boolean> => (await questions().publish(COMMAND, { [ID]: 'a.1' })).duplicate !== true;
      await questions().broker.eventually(repeat, 'the end of the window');
      expect(await stored()).toBe(2);
    });

    it('of the last message is known for as long as the server runs', async () => {
      await questions().publish(COMMAND, { [ID]: 'a.1' });
      await questions().pass(3 * DUPLICATE_WINDOW_MS);
      expect(await questions().publish(COMMAND, { [EXPECTED_ID]: 'a.1' })).toEqual({ stream: STREAM, seq: 2 });
    });

    it('is not remembered of what was refused', async () => {
      const refused = questions().send(COMMAND, { [ID]: 'a.1', [EXPECTED_LAST]: '5' });
      const right = questions().send(COMMAND, { [ID]: 'a.1', [EXPECTED_LAST]: '0' });
      expect(await refused()).toMatchObject(WRONG_SEQUENCE);
      expect(await right()).toEqual({ stream: STREAM, seq: 1 });
    });
  });
}
