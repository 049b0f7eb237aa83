import { randomBytes } from 'node:crypto';
import {
  CHAIN_START,
  clientCommandId,
  deriveUuid,
  newWorkflowId,
  timestampOf,
  workflowStream,
  type CommandId,
  type TenantId,
} from '@taskmaster/contracts';
import { openPools, PostgresEventStore, type AppendGroup, type StepRecord, type UnplacedEvent } from '@taskmaster/event-log';
import { ProcessCosts, sum } from '../processes.js';

const TENANT = 'default' as TenantId;
const GROUPS = 16;
const EVENTS_EACH = 4;
/** Batches in flight, as many as a state-service has. */
const WRITERS = 3;
const BATCH_EVENTS = GROUPS * EVENTS_EACH;

/** One run of appends; a batch is 16 new workflows of 4 events each, with their rows. */
export interface AppendRun {
  readonly events: number;
  readonly wallMs: number;
  readonly batches: number;
  readonly postgresCpuMs: number;
}

/** Appends batches through the event store that the state-service uses. @param postgres the pid of the server */
export async function appendBatches(url: string, batches: number, postgres: number): Promise<AppendRun> {
  const pools = await openPools({ url, size: 10, onError: () => undefined });
  const store = new PostgresEventStore(pools);
  const costs = new ProcessCosts(() => new Map([[postgres, 'Postgres']]));
  let started = 0;
  const write = async (limit: number): Promise<void> => {
    while (started < limit) {
      started += 1;
      const { groups } = await store.append(Array.from({ length: GROUPS }, newWorkflow), false);
      if (groups.some(({ kind }) => kind !== 'appended')) throw new Error('a new workflow is appended at once');
    }
  };
  try {
    // Plans and caches of these connections first.
    await Promise.all(Array.from({ length: WRITERS }, () => write(WARM_UP_BATCHES)));
    const before = sum(costs.cpu());
    const begin = performance.now();
    started = 0;
    await Promise.all(Array.from({ length: WRITERS }, () => write(batches)));
    const wallMs = performance.now() - begin;
    return { events: batches * BATCH_EVENTS, batches, wallMs, postgresCpuMs: sum(costs.cpu()) - before };
  } finally {
    await pools.close();
  }
}

const WARM_UP_BATCHES = 20;
const NOW = timestampOf(1_700_000_000_000);

function newWorkflow(): AppendGroup {
  const id = newWorkflowId(Date.now(), randomBytes(16));
  const stream = workflowStream(id);
  const commandId = clientCommandId(TENANT, id);
  return {
    stream,
    category: 'workflow',
    tenantId: TENANT,
    expectedVersion: 0,
    previousHash: CHAIN_START,
    events: Array.from({ length: EVENTS_EACH }, (_, i) => eventAt(i, deriveUuid('command', id) as CommandId)),
    answers: [{ commandId, answer: { outcome: 'accepted', stream, version: EVENTS_EACH, position: 0 } }],
    workflow: {
      ...{ version: EVENTS_EACH, title: 'appended', profile: 'simple', state: 'in_progress', status: 'running', phase: 'implement' },
      ...{ priority: 'medium', progress: 10, progressPercentage: 40, requestedAt: NOW, queuedAt: null, endedAt: null },
      ...{ outcome: null, reason: '', dueAt: null },
    },
    steps: [stepRow()],
    quotas: [],
  };
}

const eventAt = (index: number, commandId: CommandId): UnplacedEvent => ({
  type: 'StepReadied',
  schemaVersion: 1,
  dataText: JSON.stringify({
    stepId: `m${String(index)}`,
    attempt: 1,
    kind: 'command.run',
    input: { filler: 'x'.repeat(160) },
    dueAt: NOW,
  }),
  occurredAt: NOW,
  commandId,
  actor: { kind: 'service', id: 'growth' },
  correlationId: 'growth',
});

const stepRow = (): StepRecord => ({
  ...{ stepId: 'm1', kind: 'command.run', status: 'ready', attempt: 1, readyVersion: EVENTS_EACH },
  ...{ holder: null, agentId: null, leaseMs: null, deadlineAt: null, dueAt: NOW },
});
