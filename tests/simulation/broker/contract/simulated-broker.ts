import { onReconnect } from '@taskmaster/messaging';
import { seededRandom } from '@taskmaster/testing';
import type { NatsConnection } from 'nats';
import { Life } from '../../life.js';
import { Trace } from '../../trace.js';
import { VirtualTime } from '../../virtual-time.js';
import { CALM } from '../../world.js';
import { SimulatedConnection } from '../connection.js';
import { copyOfStream } from '../jetstream.js';
import { SimulatedServer, type BrokerWitness } from '../server.js';
import type { BrokerUnderTest } from './broker-under-test.js';

const DEADLINE_MS = 60_000;
const STEP_MS = 1;

const nobody: BrokerWitness = {
  stored: () => undefined,
  purged: () => undefined,
  deleted: () => undefined,
  acknowledged: () => undefined,
};

/** The simulation's broker in calm weather. Time passes only while somebody waits for something. */
export function openSimulatedBroker(): Promise<BrokerUnderTest> {
  const time = new VirtualTime();
  const server = new SimulatedServer(time, seededRandom(1), new Trace(() => time.now), nobody);
  const opened: SimulatedConnection[] = [];
  const connect = (): NatsConnection => {
    const life = new Life(`process-${String(opened.length + 1)}`, time, seededRandom(opened.length));
    const random = seededRandom(opened.length);
    const simulated = new SimulatedConnection({ ...{ life, time, random, server }, weather: () => CALM.network, serial: opened.length });
    opened.push(simulated);
    return simulated.asClient();
  };
  const eventually = eventuallyOn(time);
  const [connection, other] = [connect(), connect()];
  let reconnects = 0;
  for (const one of [connection, other]) void onReconnect(one, () => (reconnects += 1));
  const stop = (): Promise<void> => {
    if (server.isUp) {
      server.stop();
      for (const one of opened) one.disconnected();
    }
    return Promise.resolve();
  };
  const start = async (): Promise<void> => {
    const before = reconnects;
    server.start();
    await eventually(() => reconnects >= before + 2, 'two reconnects');
    // Their subscriptions are on the way; what is asked after them is answered after them.
    for (const one of [connection, other]) {
      const manager = await one.jetstreamManager();
      await settleOn(time, manager.streams.names().next());
    }
  };
  return Promise.resolve({
    ...{ connection, other, eventually, stop, start, isNewer: false },
    timers: new Life('spec', time, seededRandom(0)).timers,
    connect: () => Promise.resolve(connect()),
    settle: (promise) => settleOn(time, promise),
    wipe: async () => {
      await stop();
      server.disk = new Map();
      await start();
    },
    lose: (stream, sequence) => {
      server.lose(stream, sequence);
      return Promise.resolve();
    },
    copyMessages: (name) => Promise.resolve(copyMessages(server, name)),
    close: () => Promise.resolve(),
  });
}

function copyMessages({ disk }: SimulatedServer, name: string): () => Promise<void> {
  const found = disk.get(name);
  const copy = found === undefined ? undefined : copyOfStream(found);
  return () => {
    const consumers = disk.get(name)?.consumers;
    if (copy !== undefined && consumers !== undefined) disk.set(name, { ...copy, consumers });
    return Promise.resolve();
  };
}

/** A condition may itself let time pass. */
function eventuallyOn(time: VirtualTime): BrokerUnderTest['eventually'] {
  return async <T>(condition: () => T | Promise<T>, what: string) => {
    const end = time.now + DEADLINE_MS;
    for (;;) {
      let cause: unknown;
      try {
        const answer = await condition();
        if (answer) return answer as NonNullable<T>;
      } catch (error) {
        cause = error;
      }
      if (time.now >= end) throw new Error(`${what} did not happen within ${String(DEADLINE_MS)} ms of virtual time`, { cause });
      await time.runUntil(time.now + STEP_MS);
    }
  };
}

async function settleOn<T>(time: VirtualTime, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  promise.then(settle, settle);
  await Promise.resolve();
  while (!isSettled) await time.runUntil(time.now + STEP_MS, () => isSettled);
  return promise;
}
