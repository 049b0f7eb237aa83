import { Socket } from 'node:net';

/**
 * A database that is connected and silent for so long is as good as gone. When its machine is, nobody ends the connection, and the system
 * asks whether it lives after two hours only.
 */
export const ANSWER_MS_MAX = 15_000;

/** What has to be over before that, so that a connection which is given up is one that should have been answered. */
export const beforeLimit = (answerMsMax: number): number => Math.round((answerMsMax * 2) / 3);

/** Connections that end when they have been silent for so long; for the option `stream` of the driver. */
export const limitedSocket =
  (answerMsMax: number): (() => Socket) =>
  () => {
    const socket = new Socket();
    return socket.setTimeout(answerMsMax, () => {
      socket.destroy(new Error(`the database did not answer within ${String(answerMsMax)} ms`));
    });
  };
