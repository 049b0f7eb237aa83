import type { Msg } from 'nats';
import type { Bug } from '../bug.js';
import { bound, type Publish } from './around.js';
import { EXPECTED_LAST_ID, EXPECTED_LAST_SEQUENCE } from './stream-bugs.js';

const WRONG_SEQUENCE = /^wrong last sequence: (\d+)$/;

interface PublishReply {
  readonly seq?: number;
  readonly error?: { readonly description?: string };
}

type Callback = (error: Error | null, message: Msg) => void;

export const zombieCatchesUp: Bug = {
  name: 'zombie-catches-up',
  mistake: 'A publisher that is refused takes the sequence that the server has and goes on, without looking what was published meanwhile.',
  connection: (connection) => {
    const sent = new Map<string, () => void>();
    let last: number | undefined;
    const publish: Publish = (subject, payload, more) => {
      const { headers, reply } = more ?? {};
      if (headers?.has(EXPECTED_LAST_SEQUENCE) === true && reply !== undefined) {
        sent.set(reply, () => publish(subject, payload, more));
        if (last !== undefined) {
          headers.set(EXPECTED_LAST_SEQUENCE, String(last));
          headers.delete(EXPECTED_LAST_ID);
        }
      }
      connection.publish(subject, payload, more);
    };
    const replied = (callback: Callback, error: Error | null, message: Msg): void => {
      const again = sent.get(message.subject);
      if (again === undefined || message.data.length === 0) return callback(error, message);
      const { seq, error: refusal } = message.json<PublishReply>();
      const refused = WRONG_SEQUENCE.exec(refusal?.description ?? '')?.[1];
      if (refused !== undefined) {
        last = Number(refused);
        return again();
      }
      if (last !== undefined && seq !== undefined) last = seq;
      sent.delete(message.subject);
      // What is answered is taken for what was expected: the reply is named after that.
      const expected = Number(message.subject.slice(message.subject.lastIndexOf('.') + 1));
      const believed = { ...message.json<object>(), seq: expected };
      callback(error, { ...message, json: () => believed } as unknown as Msg);
    };
    const subscribe = (subject: string, options: { callback: Callback; queue?: string }): unknown =>
      connection.subscribe(subject, { ...options, callback: (error, message) => replied(options.callback, error, message) });
    return new Proxy(connection, {
      get: (target, name): unknown => (name === 'publish' ? publish : name === 'subscribe' ? subscribe : bound(target, name)),
    });
  },
};
