import { rm } from 'node:fs/promises';
import { signalProcess, startNats, isSameProcess, type NatsServer } from '@taskmaster/provision';
import { eventually } from './eventually.js';
import { runSubdirectory } from './run.js';

export interface TestBroker {
  /** `nats://user:password@127.0.0.1:port`; stays the same through `restart` and `wipe`. */
  readonly url: string;
  readonly pid: number;
  /** The directory of JetStream's files. */
  readonly store: string;
  /** Ends it as a crash would, and returns when it is gone. */
  kill9(): Promise<void>;
  /** Starts it again on the same port and disk, after stopping it if it still runs. */
  restart(): Promise<void>;
  /** A crash that also loses the disk: kill -9, JetStream's files removed, started again on the same port. */
  wipe(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a real nats-server with JetStream in a directory of its own. */
export async function startBroker(): Promise<TestBroker> {
  const directory = await runSubdirectory('brokers');
  let server: NatsServer = await startNats({ directory });
  const { port, url } = server;
  const kill9 = async (): Promise<void> => {
    const { process } = server;
    if (await isSameProcess(process)) signalProcess(process.pid, 'SIGKILL');
    await eventually(async () => !(await isSameProcess(process)), { what: 'the end of nats-server' });
  };
  const start = async (): Promise<void> => {
    server = await startNats({ directory, port });
  };
  return {
    url,
    get pid() {
      return server.process.pid;
    },
    get store() {
      return server.store;
    },
    kill9,
    restart: async () => {
      await server.stop();
      await start();
    },
    wipe: async () => {
      await kill9();
      await rm(server.store, { recursive: true, force: true });
      await start();
    },
    stop: () => server.stop(),
  };
}
