import { connect } from 'node:net';
import { PlatformFault } from './platform-fault.js';

const CONNECT_MS_MAX = 5_000;

/** Refuses a server of the user's own at which nothing listens; any one of several addresses is enough. Never names what may hold a secret. */
export async function refuseUnreachable(name: string, variable: string, urls: readonly URL[], port: number): Promise<void> {
  const places = urls.map((url) => ({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || port) }));
  const answers = await Promise.all(places.map(({ host, port: at }) => answersAt(host, at)));
  if (answers.length === 0 || answers.includes(true)) return;
  throw new PlatformFault(
    'server-unreachable',
    `${name} does not answer at ${places.map(({ host, port: at }) => `${host}:${String(at)}`).join(', ')}.`,
    `start it, correct ${variable}, or leave that out to have one started for you.`,
  );
}

const answersAt = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS_MAX });
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => {
      settle(true);
    });
    for (const sign of ['error', 'timeout'] as const)
      socket.once(sign, () => {
        settle(false);
      });
  });
