import { QUEUE_GROUP_STATE, SUBJECT_COMMANDS, SUBJECT_FEED, SUBJECT_FEED_ENDED, subjectOfQuery } from '@taskmaster/contracts';
import { describe, expect, it } from '@jest/globals';
import { createInbox, ErrorCode, type Msg, type NatsConnection } from 'nats';
import type { Questions } from './questions.js';

const QUERY = subjectOfQuery('RenewLeases');
const NO_RESPONDERS = 503;
const COUNT = 40;

/** Messages that nobody keeps. */
export function describeCore(questions: () => Questions): void {
  const ours = (): NatsConnection => questions().broker.connection;
  const others = (): NatsConnection => questions().broker.other;
  const eventually = (condition: () => boolean, what: string): Promise<unknown> => questions().broker.eventually(condition, what);

  /** Collects what comes on a subject. */
  const listen = async (connection: NatsConnection, subject: string, queue?: string) => {
    const heard: Msg[] = [];
    const subscription = connection.subscribe(subject, {
      callback: (_error, message) => void heard.push(message),
      ...(queue === undefined ? {} : { queue }),
    });
    await questions().reached(connection);
    return {
      heard,
      texts: () => heard.map((message) => message.string()),
      end: () => subscription.unsubscribe(),
      drain: () => questions().broker.settle(subscription.drain()),
    };
  };

  describe('a message', () => {
    it('comes to everybody who listens to its subject, in the order of its connection', async () => {
      const [one, two] = [await listen(ours(), SUBJECT_FEED), await listen(others(), SUBJECT_FEED)];
      const sent = Array.from({ length: COUNT }, (_, i) => String(i));
      for (const text of sent) ours().publish(SUBJECT_FEED, text);
      await eventually(() => one.heard.length >= COUNT && two.heard.length >= COUNT, 'all messages');
      expect([one.texts(), two.texts()]).toEqual([sent, sent]);
      for (const { end } of [one, two]) end();
    });

    it('comes only to its own subject', async () => {
      const [feed, ended] = [await listen(others(), SUBJECT_FEED), await listen(others(), SUBJECT_FEED_ENDED)];
      ours().publish(SUBJECT_FEED_ENDED, 'ended');
      ours().publish(SUBJECT_FEED, 'feed');
      await eventually(() => feed.heard.length > 0, 'a message');
      expect([feed.texts(), ended.texts()]).toEqual([['feed'], ['ended']]);
      for (const { end } of [feed, ended]) end();
    });

    it('comes to one of a group, and to different ones', async () => {
      const [one, two] = [await listen(ours(), QUERY, QUEUE_GROUP_STATE), await listen(others(), QUERY, QUEUE_GROUP_STATE)];
      const all = await listen(others(), QUERY);
      for (let i = 0; i < COUNT; i += 1) ours().publish(QUERY, String(i));
      await eventually(() => all.heard.length >= COUNT && one.heard.length + two.heard.length >= COUNT, 'all messages');
      expect([...one.texts(), ...two.texts()].sort()).toEqual([...all.texts()].sort());
      expect(one.heard.length * two.heard.length).toBeGreaterThan(0);
      for (const { end } of [one, two, all]) end();
    });

    it('comes once to a subscription that a pattern makes, under its own subject', async () => {
      const inbox = createInbox();
      const answers = await listen(others(), `${inbox}.*`);
      ours().publish(`${inbox}.7`, 'x');
      ours().publish(`${inbox}.7.8`, 'too deep');
      ours().publish(inbox, 'too short');
      ours().publish(`${inbox}.9`, 'y');
      await eventually(() => answers.heard.length >= 2, 'two messages');
      expect(answers.heard.map(({ subject }) => subject)).toEqual([`${inbox}.7`, `${inbox}.9`]);
      answers.end();
    });

    it('that was sent before a subscription is drained still comes to it, and none afterwards', async () => {
      const [drained, kept] = [await listen(ours(), SUBJECT_FEED), await listen(others(), SUBJECT_FEED)];
      for (let i = 0; i < COUNT; i += 1) others().publish(SUBJECT_FEED, String(i));
      await questions().reached(others());
      await drained.drain();
      expect(drained.heard).toHaveLength(COUNT);
      others().publish(SUBJECT_FEED, 'after');
      await eventually(() => kept.heard.length > COUNT, 'a message');
      await questions().reached(ours());
      expect(drained.heard).toHaveLength(COUNT);
      kept.end();
    });

    it('does not come once the subscription is ended', async () => {
      const [ended, kept] = [await listen(ours(), SUBJECT_FEED), await listen(ours(), SUBJECT_FEED)];
      ended.end();
      await questions().reached(ours());
      others().publish(SUBJECT_FEED, 'x');
      await eventually(() => kept.heard.length > 0, 'a message');
      expect(ended.texts()).toEqual([]);
      kept.end();
    });
  });

  describe('a request', () => {
    it('is answered by whoever is in the group', async () => {
      const subscription = others().subscribe(SUBJECT_COMMANDS, {
        queue: QUEUE_GROUP_STATE,
        callback: (_error, message) => void message.respond(JSON.stringify({ was: message.json() })),
      });
      await questions().reached(others());
      const answer = await questions().broker.settle(ours().request(SUBJECT_COMMANDS, '{"n":1}', { timeout: 2_000 }));
      expect(answer.json()).toEqual({ was: { n: 1 } });
      subscription.unsubscribe();
    });

    it('is told that nobody is there, on its own inbox and without a text', async () => {
      const inbox = createInbox();
      const answers = await listen(ours(), `${inbox}.*`);
      ours().publish(SUBJECT_COMMANDS, '{}', { reply: `${inbox}.1` });
      await eventually(() => answers.heard.length > 0, 'an answer');
      const [answer] = answers.heard;
      expect([answer!.subject, answer!.headers?.code, answer!.string()]).toEqual([`${inbox}.1`, NO_RESPONDERS, '']);
      answers.end();
      const asked = questions().broker.settle(ours().request(SUBJECT_COMMANDS, '{}', { timeout: 2_000 }));
      await expect(asked).rejects.toMatchObject({ code: ErrorCode.NoResponders });
    });

    it('is told so again after the last of the group has left', async () => {
      const group = await listen(others(), SUBJECT_COMMANDS, QUEUE_GROUP_STATE);
      group.end();
      await questions().reached(others());
      const asked = questions().broker.settle(ours().request(SUBJECT_COMMANDS, '{}', { timeout: 2_000 }));
      await expect(asked).rejects.toMatchObject({ code: ErrorCode.NoResponders });
    });

    it('that nobody answers is late', async () => {
      const silent = await listen(others(), SUBJECT_COMMANDS, QUEUE_GROUP_STATE);
      const asked = questions().broker.settle(ours().request(SUBJECT_COMMANDS, '{}', { timeout: 100 }));
      await expect(asked).rejects.toMatchObject({ code: ErrorCode.Timeout });
      expect(silent.heard).toHaveLength(1);
      silent.end();
    });
  });

  describe('a closed connection', () => {
    it('takes no messages and gives no answers', async () => {
      const { broker } = questions();
      const brief = await broker.connect();
      const { heard } = await listen(brief, SUBJECT_FEED);
      const reply = createInbox();
      const answers = await listen(ours(), reply);
      ours().publish(SUBJECT_FEED, 'x', { reply });
      await eventually(() => heard.length > 0, 'a message');
      await broker.settle(brief.close());
      expect(brief.isClosed()).toBe(true);
      expect(() => brief.publish(SUBJECT_FEED, 'y')).toThrow(expect.objectContaining({ code: ErrorCode.ConnectionClosed }));
      expect(() => brief.subscribe(SUBJECT_FEED, { callback: () => undefined })).toThrow();
      heard[0]!.respond('z');
      others().publish(SUBJECT_FEED, 'w');
      await questions().reached(others());
      expect([heard.length, answers.texts()]).toEqual([1, []]);
      answers.end();
    });

    it('is forgotten by its groups', async () => {
      const { broker } = questions();
      const brief = await broker.connect();
      await listen(brief, SUBJECT_COMMANDS, QUEUE_GROUP_STATE);
      await broker.settle(brief.close());
      const asks = (): Promise<Msg> => broker.settle(ours().request(SUBJECT_COMMANDS, '{}', { timeout: 100 }));
      await broker.eventually(
        () =>
          asks().then(
            () => false,
            (error: { readonly code?: string }) => error.code === ErrorCode.NoResponders,
          ),
        'nobody in the group',
      );
    });

    it('has sent what was published before it was drained', async () => {
      const { broker } = questions();
      const listening = await listen(ours(), SUBJECT_FEED);
      const brief = await broker.connect();
      for (let i = 0; i < COUNT; i += 1) brief.publish(SUBJECT_FEED, String(i));
      await broker.settle(brief.drain());
      await eventually(() => listening.heard.length >= COUNT, 'all messages');
      expect(listening.texts()).toEqual(Array.from({ length: COUNT }, (_, i) => String(i)));
      listening.end();
    });
  });
}
