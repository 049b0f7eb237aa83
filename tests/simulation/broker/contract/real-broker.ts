import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { connectBroker, onReconnect, systemTimers } from '@taskmaster/messaging';
import { eventually, runSubdirectory, startBroker } from '@taskmaster/testing';
import type { NatsConnection } from 'nats';
import type { BrokerUnderTest } from './broker-under-test.js';

const DEADLINE_MS = 15_000;

/** A nats-server of its own, as the product finds and starts it. */
export async function openRealBroker(): Promise<BrokerUnderTest> {
  const server = await startBroker();
  const opened: NatsConnection[] = [];
  const connect = async (name = 'other'): Promise<NatsConnection> => {
    const connection = await connectBroker({ url: server.url, name });
    opened.push(connection);
    return connection;
  };
  const [connection, other] = [await connect('spec'), await connect()];
  const wait: BrokerUnderTest['eventually'] = (condition, what) => eventually(condition, { deadlineMs: DEADLINE_MS, what });
  const reconnected = afterReconnects([connection, other], wait);
  return {
    ...{ connection, other, connect, timers: systemTimers, eventually: wait },
    isNewer: connection.info?.version.startsWith('2.9.') !== true,
    settle: (promise) => promise,
    stop: () => server.stop(),
    start: () => reconnected(() => server.restart()),
    wipe: () => reconnected(() => server.wipe()),
    lose: async (stream, sequence) => {
      const manager = await connection.jetstreamManager();
      await manager.streams.deleteMessage(stream, sequence);
    },
    copyMessages: async (stream) => {
      const messages = join(server.store, 'jetstream', '$G', 'streams', stream, 'msgs');
      const copy = join(await runSubdirectory('stream-copy'), 'msgs');
      await server.kill9();
      await cp(messages, copy, { recursive: true });
      await reconnected(() => server.restart());
      return async () => {
        await rm(messages, { recursive: true });
        await cp(copy, messages, { recursive: true });
      };
    },
    close: async () => {
      for (const one of opened) await one.close();
      await server.stop();
    },
  };
}

/** Runs something that restarts the server, and waits until the connections were made again. */
function afterReconnects(
  connections: readonly NatsConnection[],
  wait: BrokerUnderTest['eventually'],
): (restart: () => Promise<void>) => Promise<void> {
  const counts = connections.map(() => 0);
  connections.forEach((connection, index) => {
    void onReconnect(connection, () => {
      counts[index] = (counts[index] ?? 0) + 1;
    });
  });
  return async (restart) => {
    const before = [...counts];
    await restart();
    await wait(() => counts.every((count, index) => count > (before[index] ?? 0)), 'two reconnects');
    for (const connection of connections) {
      const manager = await connection.jetstreamManager({ checkAPI: false, timeout: 1_000 });
      await wait(() => manager.getAccountInfo(), 'JetStream');
    }
  };
}
