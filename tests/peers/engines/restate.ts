import { spawn, type ChildProcess } from 'node:child_process';
import { connect } from 'node:net';
import { freePorts, pollUntil } from '@taskmaster/provision';
import { DriverProcess } from '../../performance/driver-process.js';
import { httpClient } from '../../platform/http-client.js';
import { Child } from '../child.js';
import type { EngineSetting, RunningEngine } from '../engine.js';
import { peerPackages, restateServer } from '../packages.js';
import { DRIVE_HTTP } from './programs.js';

const OPEN_MS_MAX = 60_000;
const STOP_MS_MAX = 15_000;

export interface RestateParts {
  readonly server: number;
  /** The address of its HTTP ingress. */
  readonly ingress: string;
  readonly endpoint: () => Child;
  /** Kills the process in which the steps run and starts it again at once. */
  restartEndpoint(): Promise<void>;
}

/** Restate with its defaults: a replicated log on one node whose write-ahead log is flushed before an answer. */
export async function startRestateParts({ cleanup, scratch, say }: EngineSetting): Promise<RestateParts> {
  const home = await peerPackages(say);
  const [ingress, admin, node, endpointPort] = (await freePorts(4)) as [number, number, number, number];
  const server = spawn(restateServer(home), ['--node-name', 'peers', '--base-dir', scratch], {
    cwd: scratch,
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      DO_NOT_TRACK: '1',
      RESTATE_DISABLE_TELEMETRY: 'true',
      RESTATE_BIND_ADDRESS: `127.0.0.1:${String(node)}`,
      RESTATE_ADVERTISED_ADDRESS: `http://127.0.0.1:${String(node)}/`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${String(ingress)}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${String(admin)}`,
      RUST_LOG: 'warn',
    },
  });
  cleanup.add(() => stopServer(server));
  for (const port of [ingress, admin]) await untilOpen(port, server);
  const input = { home, port: endpointPort };
  let endpoint = await Child.start('restate-endpoint', input);
  cleanup.add(() => endpoint.stop());
  await register(admin, endpointPort);
  return {
    server: server.pid ?? 0,
    ingress: `http://127.0.0.1:${String(ingress)}`,
    endpoint: () => endpoint,
    restartEndpoint: async () => {
      await endpoint.kill();
      endpoint = await Child.start('restate-endpoint', input);
    },
  };
}

export async function startRestate(setting: EngineSetting): Promise<RunningEngine> {
  const { server, ingress, endpoint } = await startRestateParts(setting);
  const driver = await DriverProcess.start({ address: ingress, path: '/bench/run' }, DRIVE_HTTP);
  setting.cleanup.add(() => driver.stop());
  return {
    driver,
    roots: () =>
      Promise.resolve(
        new Map([
          [server, 'server'],
          [endpoint().pid, 'SDK endpoint'],
          [driver.pid, 'client'],
        ]),
      ),
  };
}

async function register(admin: number, endpoint: number): Promise<void> {
  const client = httpClient(`http://127.0.0.1:${String(admin)}`, '');
  const body = { uri: `http://127.0.0.1:${String(endpoint)}`, force: true };
  const isRegistered = async (): Promise<boolean> => {
    const answer = await client.call('POST', '/deployments', { body }).catch(() => undefined);
    return answer !== undefined && answer.status < 300;
  };
  const registered = await pollUntil(isRegistered, { deadlineMs: OPEN_MS_MAX, intervalMs: 100 });
  client.close();
  if (!registered) throw new Error('Restate does not take the SDK endpoint');
}

async function untilOpen(port: number, server: ChildProcess): Promise<void> {
  const isOpen = (): Promise<boolean> =>
    new Promise((settle) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        settle(true);
      });
      socket.once('error', () => {
        settle(false);
      });
    });
  const opened = await pollUntil(async () => server.exitCode !== null || (await isOpen()), { deadlineMs: OPEN_MS_MAX });
  if (!opened || server.exitCode !== null) throw new Error(`the Restate server does not listen on ${String(port)}`);
}

async function stopServer(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((settle) => server.once('exit', settle));
  server.kill('SIGTERM');
  const force = setTimeout(() => server.kill('SIGKILL'), STOP_MS_MAX);
  await ended;
  clearTimeout(force);
}
