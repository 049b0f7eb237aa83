import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestRepository } from '@taskmaster/testing';
import { startPlatformUnderTest, type PlatformUnderTest } from '../platform/platform-under-test.js';
import { BrokerCluster, nodeOf, type BrokerNode } from './broker-nodes.js';
import { sampleRepository } from './load.js';

/** Where a torture run happens. */
export interface Venue {
  readonly platform: PlatformUnderTest;
  /** The servers of the broker. */
  readonly nodes: readonly BrokerNode[];
  readonly repositories: readonly TestRepository[];
  /** Stops everything; what was written is removed when the run was clean. */
  close(isClean: boolean): Promise<void>;
}

export interface VenueOptions {
  /** Servers of the broker; more than one make a cluster, which keeps as many copies. */
  readonly nodes: number;
  /** Whether state-service and agent-coordinator are one process, as `task-master up` runs them. */
  readonly together: boolean;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** Shorter than the long pauses of a schedule. */
const LEASE_MS = 3_000;
/** Fewer than what is asked for at once, so that workflows wait for a slot. */
const SLOTS = 24;
const REPOSITORIES = 2;
const THINK_MS = 600;
const SESSIONS = 8;
const TWICE = { gateway: 2, 'state-service': 2, 'nlp-service': 2, 'agent-coordinator': 2, engine: 2 } as const;

interface Cluster {
  readonly cluster: BrokerCluster;
  readonly place: string;
}

/** Starts a platform with two processes of every service. */
export async function openVenue({ nodes, together, signal, say }: VenueOptions): Promise<Venue> {
  const repositories = await Promise.all(Array.from({ length: REPOSITORIES }, sampleRepository));
  const broker = nodes === 1 ? undefined : await startCluster(nodes, say);
  try {
    const platform = await startPlatformUnderTest({
      env: {
        MAX_CONCURRENT_WORKFLOWS: String(SLOTS),
        LEASE_MS: String(LEASE_MS),
        SIMULATED_AGENT_THINK_MS: String(THINK_MS),
        SIMULATED_AGENT_SESSIONS: String(SESSIONS),
        ...(broker === undefined ? {} : { NATS_URL: broker.cluster.url, NATS_REPLICAS: String(nodes) }),
      },
      simulatedAgent: 'always',
      apart: !together,
      replicas: TWICE,
      signal,
      onProgress: say,
    });
    return {
      platform,
      repositories,
      nodes: broker?.cluster.nodes ?? [nodeOf(platform)],
      close: async (isClean) => {
        await (isClean ? platform.discard() : platform.stop());
        await broker?.cluster.stop();
        if (!isClean) say(`kept for a look: ${[platform.data, ...(broker === undefined ? [] : [broker.place])].join(' and ')}`);
        else await removeAll(repositories, broker);
      },
    };
  } catch (error) {
    await broker?.cluster.stop();
    await removeAll(repositories, broker);
    throw error;
  }
}

async function removeAll(repositories: readonly TestRepository[], broker: Cluster | undefined): Promise<void> {
  await Promise.all(repositories.map((repository) => repository.remove()));
  if (broker !== undefined) await rm(broker.place, { recursive: true, force: true });
}

async function startCluster(nodes: number, say: (text: string) => void): Promise<Cluster> {
  const place = await mkdtemp(join(tmpdir(), 'taskmaster-cluster-'));
  return { place, cluster: await BrokerCluster.start(place, nodes, say) };
}
