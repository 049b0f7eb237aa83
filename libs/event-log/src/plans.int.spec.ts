import { describe, expect, it } from '@jest/globals';
import { workflowStream, type StepId, type WorkflowId } from '@taskmaster/contracts';
import { eventually, freshDatabase } from '@taskmaster/testing';
import pg from 'pg';
import { claimedGroup, TENANT } from './groups.fixture.js';
import { PostgresOpenWork } from './open-work.js';
import { openPools, type Pools } from './pools.js';
import { readAll, readHead, readStreams } from './readers.js';
import type { AppendGroup } from './rows.js';
import { PostgresEventStore } from './store.js';

const AT = '2026-01-01T00:00:00.000Z' as AppendGroup['events'][number]['occurredAt'];

/** A workflow's stream with its row and two steps, as a request leaves them. */
function workflowGroup(name: string): AppendGroup {
  const group = claimedGroup(name, 3);
  const step = {
    kind: 'command.run',
    status: 'ready',
    attempt: 1,
    readyVersion: 3,
    holder: null,
    agentId: null,
    leaseMs: null,
    deadlineAt: null,
  };
  return {
    ...group,
    stream: workflowStream(name as WorkflowId),
    category: 'workflow',
    workflow: {
      ...{ version: 3, title: name, profile: 'simple', state: 'pending', status: 'running', phase: 'queue', priority: 'medium' },
      ...{ progress: 0, progressPercentage: 0, requestedAt: AT, queuedAt: null, endedAt: null, outcome: null, reason: '', dueAt: AT },
    },
    steps: ['a', 'b'].map((stepId) => ({ ...step, stepId, dueAt: AT })),
  };
}

async function work(pools: Pools): Promise<void> {
  const store = new PostgresEventStore(pools);
  const open = new PostgresOpenWork(pools.write);
  const names = Array.from({ length: 400 }, (_, i) => `wf_${String(i)}`);
  for (let i = 0; i < names.length; i += 20) {
    const groups = names.slice(i, i + 20).map(workflowGroup);
    const { groups: outcomes } = await store.append(groups);
    expect(outcomes.every(({ kind }) => kind === 'appended')).toBe(true);
    // Asked again, as after a lost answer: what is claimed already is looked up.
    expect((await store.append(groups.slice(0, 2))).groups.map(({ kind }) => kind)).toEqual(['duplicate', 'duplicate']);
    const streams = groups.map(({ stream }) => stream);
    expect(
      await readStreams(
        pools.write,
        streams.map((stream) => ({ stream, after: 1 })),
      ),
    ).toHaveLength(40);
    expect((await readAll(pools.write, (await readHead(pools.write)) - 10, 500)).length).toBe(10);
    const due = await open.dueSteps({ ready: true }, 40);
    expect(due).toHaveLength(40);
    expect(await open.dueSteps({ ready: false }, 40)).toEqual([]);
    await open.postponeReady(due, 60_000);
    await open.openWork({ after: 0, upto: 100 }, 10);
    const lease = { tenantId: TENANT, stepId: 'a' as StepId, attempt: 1, holder: 'h', leaseMs: 1_000 };
    await open.renewLeases(names.slice(i, i + 5).map((workflowId) => ({ ...lease, workflowId: workflowId as WorkflowId })));
    await open.dueWorkflows(10);
  }
}

describe('the statements of a busy service', () => {
  it('find every row by an index, from the first row of a table to the last', async () => {
    const database = await freshDatabase();
    const pools = await openPools({ url: database.url, size: 10, onError: () => undefined });
    await work(pools);
    // A session hands in what it counted when it ends.
    await pools.close();
    const owner = new pg.Client({ connectionString: database.url });
    await owner.connect();
    const text = `select relname as name, seq_scan::int as scans, idx_scan::int as lookups, n_tup_ins::int as rows from pg_stat_user_tables`;
    const used = await eventually(
      async () => {
        const { rows } = await owner.query<{ name: string; scans: number; lookups: number; rows: number }>(text);
        return rows.find(({ name }) => name === 'event')?.rows === 1_200 ? rows : undefined;
      },
      { what: 'the counts of the sessions' },
    );
    await owner.end();
    await database.drop();
    for (const name of ['event', 'stream', 'client_command', 'workflow', 'step', 'quota']) {
      const table = used.find((one) => one.name === name);
      expect([name, table?.scans]).toEqual([name, 0]);
      expect(table?.lookups).toBeGreaterThan(0);
    }
  }, 30_000);
});
