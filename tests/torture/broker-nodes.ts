import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { WORK_STREAM_PATTERN } from '@taskmaster/contracts';
import type { connectBroker } from '@taskmaster/messaging';
import { freePorts, isSameProcess, startNats, type NatsServer } from '@taskmaster/provision';
import type { PlatformProcess, PlatformUnderTest } from '../platform/platform-under-test.js';
import { RouteWires } from './route-wires.js';

/** One server of the broker, which somebody starts again when it is gone. */
export interface BrokerNode {
  readonly name: string;
  /** Undefined while it is being started again. */
  process(): PlatformProcess | undefined;
  /** Where its server keeps JetStream's files. */
  readonly store: string;
  /** `host:port` of its clients, where there are several nodes and it runs. */
  readonly address?: string | undefined;
  /** Cuts it off from the other nodes; returns what undoes that. Only where there are others. */
  readonly cutOff?: () => () => void;
}

/** The one server that a platform brings along. */
export const nodeOf = (platform: PlatformUnderTest): BrokerNode => ({
  name: 'NATS',
  process: () => platform.processes().find(({ name }) => name === 'NATS'),
  store: join(platform.data, 'nats', 'jetstream'),
});

const CLUSTER = 'torture';
const WATCH_MS = 100;
const START_TRIES_MAX = 20;

interface ClusterParts {
  readonly directory: string;
  readonly count: number;
  /** Where each node listens for the others. */
  readonly routes: readonly number[];
  /** What the others reach it by. */
  readonly wires: RouteWires;
  readonly say: (text: string) => void;
}

/** A cluster of servers on this machine that starts again whichever node is gone. */
export class BrokerCluster {
  private readonly servers: (NatsServer | undefined)[] = [];
  private readonly stopping = new AbortController();
  private watching: Promise<unknown> = Promise.resolve();

  private constructor(private readonly parts: ClusterParts) {}

  static async start(directory: string, count: number, say: (text: string) => void): Promise<BrokerCluster> {
    const routes = await freePorts(count);
    const cluster = new BrokerCluster({ directory, count, routes, wires: await RouteWires.open(routes), say });
    const ports = await freePorts(count);
    await Promise.all(ports.map((port, index) => cluster.startNode(index, port)));
    cluster.watching = Promise.all(ports.map((port, index) => cluster.keep(index, port)));
    return cluster;
  }

  /** What NATS_URL is set to: the addresses of all nodes. */
  get url(): string {
    return this.servers.flatMap((server) => (server === undefined ? [] : [server.url])).join(',');
  }

  get nodes(): readonly BrokerNode[] {
    return Array.from({ length: this.parts.count }, (_, index) => ({
      name: nameOf(index),
      process: () => {
        const server = this.servers[index];
        return server === undefined ? undefined : { name: nameOf(index), ...server.process };
      },
      store: join(this.placeOf(index), 'jetstream'),
      address: this.servers[index] === undefined ? undefined : `127.0.0.1:${String(this.servers[index].port)}`,
      cutOff: () => this.parts.wires.cutOff(index),
    }));
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.watching;
    for (const server of this.servers) await server?.stop();
    await this.parts.wires.close();
  }

  private placeOf(index: number): string {
    return join(this.parts.directory, nameOf(index));
  }

  private async startNode(index: number, port: number): Promise<void> {
    const directory = this.placeOf(index);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    // All nodes know each other, and every client, by one secret.
    await writeFile(join(directory, 'password'), `${CLUSTER}\n`, { mode: 0o600 });
    const cluster = { name: nameOf(index), cluster: CLUSTER, port: this.parts.routes[index] ?? 0, routes: this.parts.wires.portsOf(index) };
    this.servers[index] = await startNats({ directory, port, cluster, signal: this.stopping.signal });
  }

  private async keep(index: number, port: number): Promise<void> {
    const { signal } = this.stopping;
    let failures = 0;
    while (!signal.aborted) {
      await pause(WATCH_MS, undefined, { signal }).catch(() => undefined);
      const server = this.servers[index];
      if (signal.aborted || (server !== undefined && (await isSameProcess(server.process)))) continue;
      this.servers[index] = undefined;
      this.parts.say(`${nameOf(index)} is gone; starting it again`);
      try {
        await this.startNode(index, port);
        failures = 0;
      } catch (error) {
        failures += 1;
        if (failures >= START_TRIES_MAX && !signal.aborted) throw error;
      }
    }
  }
}

const nameOf = (index: number): string => `NATS-${String(index + 1)}`;

/** The name of the node that leads the work stream; undefined where there is only one node, or none leads now. */
export async function leaderOf(broker: Awaited<ReturnType<typeof connectBroker>>, timeout: number): Promise<string | undefined> {
  const manager = await broker.jetstreamManager({ checkAPI: false, timeout });
  const name = (await manager.streams.names().next()).find((stream) => WORK_STREAM_PATTERN.test(stream));
  return name === undefined ? undefined : (await manager.streams.info(name)).cluster?.leader;
}
