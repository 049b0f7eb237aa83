import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, startBroker, type TestBroker } from '@taskmaster/testing';
import { brokerHealth, connectBroker, onReconnect } from './broker.js';

let broker: TestBroker;

beforeAll(async () => {
  broker = await startBroker();
}, 60_000);
afterAll(() => broker.stop());

type Treatment = (socket: Socket) => void;

/** Treats the first connections as told, and passes every later one on to the broker. */
async function inFrontOfBroker(first: readonly Treatment[]): Promise<{ readonly url: string; readonly close: () => void }> {
  const { port, username, password } = new URL(broker.url);
  const sockets = new Set<Socket>();
  let count = 0;
  const server: Server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    const treat = first[count++];
    if (treat !== undefined) return treat(socket);
    const onward = connect(Number(port), '127.0.0.1').on('error', () => undefined);
    sockets.add(onward);
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `nats://${username}:${password}@127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

const silent: Treatment = () => undefined;
/** As a server that is killed between its greeting and its answer. */
const greetsAndDies: Treatment = (socket) => {
  socket.write('INFO {"server_id":"x","version":"2.10.0","proto":1,"headers":true,"max_payload":1048576}\r\n');
  socket.once('data', () => socket.destroy());
};

describe('a connection to the broker', () => {
  it.each([
    ['never answers', [silent]],
    ['dies between its greeting and its answer', [greetsAndDies]],
    ['does so again and again', [greetsAndDies, greetsAndDies, silent]],
  ])(
    'is made soon although the server at first %s',
    async (_what, first) => {
      const front = await inFrontOfBroker(first);
      const began = performance.now();
      const connection = await connectBroker({ url: front.url, name: 'spec' });
      expect(await brokerHealth(connection)).toMatchObject({ status: 'up' });
      expect(performance.now() - began).toBeLessThan(10_000);
      await connection.close();
      front.close();
    },
    60_000,
  );

  it('says that it waits, and for whom, without the password, while nobody is there', async () => {
    const gone = await startBroker();
    await gone.kill9();
    const told: string[] = [];
    const onWaiting = (servers: string): void => void told.push(servers);
    const connecting = connectBroker({ url: gone.url, name: 'spec', onWaiting, waitingMs: 50 });
    await eventually(() => told.length > 1, { what: 'two words' });
    await gone.restart();
    const connection = await connecting;
    const { host } = new URL(gone.url);
    expect(new Set(told)).toEqual(new Set([`nats://${host}`]));
    const before = told.length;
    expect(await brokerHealth(connection)).toMatchObject({ status: 'up' });
    await connection.close();
    expect(told).toHaveLength(before);
    await gone.stop();
  }, 60_000);

  it('is made again soon after a break although the server then never answers at first', async () => {
    const treatments: Treatment[] = [];
    const front = await inFrontOfBroker(treatments);
    const connection = await connectBroker({ url: front.url, name: 'spec' });
    treatments[1] = silent;
    treatments[2] = greetsAndDies;
    const again = onceReconnected(connection);
    await connection.reconnect();
    const began = performance.now();
    await again;
    expect(performance.now() - began).toBeLessThan(10_000);
    await connection.close();
    front.close();
  }, 60_000);
});

const onceReconnected = (connection: Awaited<ReturnType<typeof connectBroker>>): Promise<void> =>
  new Promise((resolve) => void onReconnect(connection, resolve));
