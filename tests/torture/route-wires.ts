import { openAddress, type Address } from '@taskmaster/testing';

/** What one node connects to in order to reach another. */
interface Wire {
  readonly from: number;
  readonly to: number;
  readonly address: Address;
}

/**
 * The network between the nodes of a cluster on one machine. A node that is cut off hears nothing from the others and they nothing from it,
 * as when packets are dropped: nothing is refused and nothing ends. Its clients still reach it.
 */
export class RouteWires {
  private readonly cut = new Set<number>();

  private constructor(
    private readonly targets: readonly number[],
    private readonly wires: readonly Wire[],
  ) {}

  /** @param targets where each node listens for the others */
  static async open(targets: readonly number[]): Promise<RouteWires> {
    const nodes = targets.map((_, node) => node);
    const pairs = nodes.flatMap((from) => nodes.filter((to) => to !== from).map((to) => ({ from, to })));
    const wires = pairs.map(async ({ from, to }) => ({ from, to, address: await openAddress(targets[to] ?? 0) }));
    return new RouteWires(targets, await Promise.all(wires));
  }

  /** The ports at which a node finds the others. */
  portsOf(node: number): readonly number[] {
    return this.wires.filter(({ from }) => from === node).map(({ address }) => address.port);
  }

  /** @returns what puts it back on the network, once */
  cutOff(node: number): () => void {
    this.cut.add(node);
    const wires = this.wires.filter(({ from, to }) => from === node || to === node);
    for (const { address } of wires) address.silence();
    return () => {
      if (!this.cut.delete(node)) return;
      for (const { from, to, address } of wires) {
        if (this.cut.has(from) || this.cut.has(to)) continue;
        address.leadTo(this.targets[to] ?? 0);
        // What was held back is lost: both ends connect again.
        address.hangUp();
      }
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.wires.map(({ address }) => address.close()));
  }
}
