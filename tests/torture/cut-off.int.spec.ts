import { afterEach, describe, expect, it } from '@jest/globals';
import {
  connectBroker,
  STREAM_SETTINGS_DEFAULT,
  WorkStream,
  type EpochRecord,
  type EpochStore,
  type WorkSource,
} from '@taskmaster/messaging';
import { eventually, runSubdirectory } from '@taskmaster/testing';
import { BrokerCluster, leaderOf } from './broker-nodes.js';

const NODES = 3;
const START_MS_MAX = 60_000;
let closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.reverse()) await close();
  closers = [];
});

/** A log in which nothing happened yet. */
const EMPTY: WorkSource = {
  head: () => Promise.resolve(0),
  eventAt: () => Promise.resolve(undefined),
  openWork: async function* () {
    await Promise.resolve();
    yield [];
  },
};

function epochsInMemory(): EpochStore {
  let record: EpochRecord = { epoch: 0, acknowledgedUpto: 0 };
  return {
    current: () => Promise.resolve(record),
    bump: (from) => {
      if (record.epoch === from) record = { epoch: from + 1, acknowledgedUpto: 0 };
      return Promise.resolve(record.epoch);
    },
    acknowledge: (epoch) => Promise.resolve(epoch === record.epoch),
  };
}

describe('a relay that is connected to a node of a cluster which is cut off from the others', () => {
  it('goes to another node and publishes there, while the first one stays cut off', async () => {
    const cluster = await BrokerCluster.start(await runSubdirectory('cut-off'), NODES, () => undefined);
    closers.push(() => cluster.stop());
    const connection = await connectBroker({ url: cluster.url, name: 'relay' });
    closers.push(() => connection.close());
    const epochs = epochsInMemory();
    const work = new WorkStream(connection, { ...STREAM_SETTINGS_DEFAULT, replicas: NODES });
    await eventually(() => work.open(epochs, EMPTY), { deadlineMs: START_MS_MAX, what: 'a cluster that keeps a stream' });
    await eventually(() => leaderOf(connection, 2_000), { deadlineMs: START_MS_MAX, what: 'a leader of the stream' });
    const here = connection.getServer();
    const node = cluster.nodes.find(({ address }) => here.endsWith(address ?? 'nowhere'));
    const mend = node?.cutOff?.();
    expect(mend).toBeDefined();
    await eventually(
      async () => {
        await work.open(epochs, EMPTY);
        return connection.getServer() !== here;
      },
      { deadlineMs: START_MS_MAX, what: 'another node' },
    );
    mend?.();
    await work.close();
  }, 180_000);
});
