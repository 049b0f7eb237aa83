import { describe, expect, it } from '@jest/globals';
import { reliabilityDocument, type TortureResult } from './reliability-document.js';

const RUN: TortureResult = {
  test: 'torture',
  at: '2026-01-02T03:04:05.000Z',
  revision: 'abc',
  machine: { model: 'A CPU', cores: 2, memoryMiB: 8192, node: 'v20.0.0' },
  seed: 7,
  seconds: 60,
  broker: 'nats-server 2.9.10',
  database: 'Postgres 18.1',
  faults: { 'nats-wipe': 2, kill: 12 },
  clients: { cancel: 3 },
  accepted: 812,
  unfinished: 0,
  violations: [],
  longestAcceptMs: 4_321,
  drainMs: 12_000,
  events: 9_000,
  records: 20_000,
};

describe('docs/reliability.md', () => {
  it('has a row for every run, by processes, broker and seed, and what all of them came to', () => {
    const cluster = { ...RUN, seed: 1, broker: 'nats-server 2.12.0, 3 nodes', accepted: 100, violations: ['one'] };
    const together = { ...RUN, seed: 3, together: true };
    const text = reliabilityDocument([together, RUN, cluster, { ...RUN, seed: 2 }]);
    expect(text.match(/^\| \d+ \| .*$/gm)?.map((row) => row.split(' | ').slice(0, 3).join(' '))).toEqual([
      '| 1 services nats-server 2.12.0, 3 nodes',
      '| 2 services nats-server 2.9.10',
      '| 7 services nats-server 2.9.10',
      '| 3 engines nats-server 2.9.10',
    ]);
    expect(text).toContain('| 7 | services | nats-server 2.9.10 | 60 | kill 12, nats-wipe 2 | cancel 3 | 812 | 0 | 0 | 4.3 s | 12.0 s |');
    expect(text).toContain('In all 4 runs with 240 s of faults: 56 faults, 2536 workflows accepted,\n0 unfinished, 1 violations;');
    expect(text).toContain('A CPU, 2 cores, 8 GiB, Node 20.0.0, revision abc, 2026-01-02');
  });

  it('shows what another test wrote', () => {
    const text = reliabilityDocument([{ test: 'simulate', seeds: 1_000, faults: { crash: 5 }, violations: [] }]);
    expect(text).toContain('| seeds | 1000 |\n| faults | crash 5 |\n| violations | 0 |');
  });

  it('says so when there is no result', () => {
    expect(reliabilityDocument([]).match(/No result has been committed yet/g)).toHaveLength(2);
  });
});
