import type { NatsBinary } from './nats-binary.js';

/** A node of a cluster on this machine. */
export interface NatsNode {
  readonly name: string;
  readonly cluster: string;
  /** Where it listens for the other nodes. */
  readonly port: number;
  /** Where it finds the others. */
  readonly routes: readonly number[];
}

/** What a server's configuration says about its cluster: lines of its own, and how JetStream writes. */
export interface ClusterConfiguration {
  readonly lines: readonly string[];
  readonly sync: string;
}

/** Nothing for a server that stands alone. */
export function clusterConfiguration(
  { user, password }: { readonly user: string; readonly password: string },
  node: NatsNode | undefined,
  binary: NatsBinary,
): ClusterConfiguration {
  if (node === undefined) return { lines: [], sync: '' };
  const routes = node.routes.map((port) => `nats://${user}:${password}@127.0.0.1:${String(port)}`);
  const lines = [
    `server_name: ${JSON.stringify(node.name)}`,
    'cluster {',
    `  name: ${JSON.stringify(node.cluster)}`,
    `  listen: "127.0.0.1:${String(node.port)}"`,
    `  authorization { user: ${JSON.stringify(user)}, password: ${JSON.stringify(password)}, timeout: 5 }`,
    `  routes: ${JSON.stringify(routes)}`,
    // It is told where each node is; what they tell one another is not asked.
    '  advertise: "127.0.0.1:1"',
    '}',
  ];
  return { lines, sync: knowsSyncAlways(binary) ? ', sync_interval: always' : '' };
}

/** The nodes of a cluster vote on what they have written, so what one of them confirms must be on its disk. */
function knowsSyncAlways({ version }: NatsBinary): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 2 || (major === 2 && minor >= 10);
}
