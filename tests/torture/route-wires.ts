import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** One direction between two nodes: what one of them connects to in order to reach the other. */
interface Wire {
  readonly from: number;
  readonly to: number;
  readonly server: Server;
  readonly port: number;
  readonly sockets: Set<Socket>;
}

/**
 * The network between the nodes of a cluster on one machine. A node that is cut off hears nothing from the others and they nothing from it,
 * as when packets are dropped: nothing is refused and nothing ends. Its clients still reach it.
 */
export class RouteWires {
  private readonly wires: Wire[] = [];
  private readonly cut = new Set<number>();

  private constructor(private readonly targets: readonly number[]) {}

  /** @param targets where each node listens for the others */
  static async open(targets: readonly number[]): Promise<RouteWires> {
    const wires = new RouteWires(targets);
    const nodes = targets.map((_, node) => node);
    await Promise.all(nodes.flatMap((from) => nodes.filter((to) => to !== from).map((to) => wires.lay(from, to))));
    return wires;
  }

  /** The ports at which a node finds the others. */
  portsOf(node: number): readonly number[] {
    return this.wires.filter(({ from }) => from === node).map(({ port }) => port);
  }

  /** @returns what puts it back on the network, once */
  cutOff(node: number): () => void {
    this.cut.add(node);
    for (const wire of this.wiresOf(node)) for (const socket of wire.sockets) socket.unpipe().pause();
    return () => {
      if (!this.cut.delete(node)) return;
      // What was held back is lost: both ends connect again.
      for (const wire of this.wiresOf(node)) if (!this.isCut(wire)) drop(wire);
    };
  }

  close(): void {
    for (const wire of this.wires) {
      wire.server.close();
      drop(wire);
    }
  }

  private wiresOf(node: number): readonly Wire[] {
    return this.wires.filter(({ from, to }) => from === node || to === node);
  }

  private isCut({ from, to }: Pick<Wire, 'from' | 'to'>): boolean {
    return this.cut.has(from) || this.cut.has(to);
  }

  private async lay(from: number, to: number): Promise<void> {
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(this.targets[to] ?? 0, '127.0.0.1');
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
      }
      if (!this.isCut({ from, to })) near.pipe(far).pipe(near);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.wires.push({ from, to, server, port: (server.address() as AddressInfo).port, sockets });
  }
}

function drop({ sockets }: Wire): void {
  for (const socket of sockets) socket.destroy();
}
