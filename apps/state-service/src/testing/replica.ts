import {
  deriveUuid,
  DEFAULT_TENANT,
  streamOf,
  timestampOf,
  workflowIdOf,
  workflowStream,
  type Command,
  type CommandEnvelope,
  type CommandId,
  type StepDraft,
  type StepId,
  type StreamId,
  type TenantId,
  type WorkflowRequest,
} from '@taskmaster/contracts';
import { openPools, PostgresEventStore, PostgresOpenWork, type OpenWork, type Pools } from '@taskmaster/event-log';
import { CommandHandler, type CommittedEvent, type HandlerOptions } from '../handle-command.js';

/** A command handler on pools of its own, as each state-service process has. */
export interface Replica {
  readonly handler: CommandHandler;
  readonly pools: Pools;
  readonly store: PostgresEventStore;
  readonly openWork: OpenWork;
  readonly committed: CommittedEvent[];
  close(): Promise<void>;
}

export async function openReplica(url: string, options: Partial<HandlerOptions> & { readonly size?: number } = {}): Promise<Replica> {
  const pools = await openPools({ url, size: options.size ?? 8, onError: () => undefined });
  const store = new PostgresEventStore(pools);
  const committed: CommittedEvent[] = [];
  const handler = new CommandHandler({
    store,
    slotsMax: 100,
    clock: () => timestampOf(Date.now()),
    onCommitted: (events) => committed.push(...events),
    ...options,
  });
  return {
    handler,
    pools,
    store,
    openWork: new PostgresOpenWork(pools.write),
    committed,
    close: async () => {
      await handler.idle();
      await pools.close();
    },
  };
}

export const noop = (id: string, ...dependsOn: readonly string[]): StepDraft => ({
  id,
  kind: 'command.run',
  dependsOn,
  input: { builtin: 'noop' },
});

/** `a → (b, c, d) → e` */
export const DIAMOND = [noop('a'), noop('b', 'a'), noop('c', 'a'), noop('d', 'a'), noop('e', 'b', 'c', 'd')];

export const planRequest = (steps: readonly StepDraft[], more: Partial<WorkflowRequest> = {}): WorkflowRequest => ({
  profile: 'simple',
  title: 'a plan',
  source: { kind: 'plan', plan: { steps } },
  context: {},
  priority: 'medium',
  options: {
    drive: 'auto',
    strict: false,
    timeoutMs: 3_600_000,
    maxFixCycles: 3,
    maxConcurrentSteps: 10,
    enableNlp: false,
    enableAgentCoordination: true,
    delegation: 'auto',
    validation: [],
    escalationTimeoutMs: 3_600_000,
  },
  ...more,
});

export const envelope = (command: Command, on: StreamId, key: string, tenantId: TenantId = DEFAULT_TENANT): CommandEnvelope => ({
  id: deriveUuid('spec', key) as CommandId,
  stream: on,
  tenantId,
  actor: { kind: 'user', id: 'spec' },
  correlationId: key,
  command,
});

export const requestId = (name: string): CommandId => deriveUuid('spec', `request ${name}`) as CommandId;
export const streamFor = (name: string): StreamId => workflowStream(workflowIdOf(requestId(name)));

export const request = (name: string, steps: readonly StepDraft[] = DIAMOND, more: Partial<WorkflowRequest> = {}): CommandEnvelope =>
  envelope({ type: 'RequestWorkflow', data: { request: planRequest(steps, more) } }, streamFor(name), `request ${name}`);

export const complete = (name: string, stepId: string, attempt = 1): CommandEnvelope => ({
  ...envelope(
    { type: 'CompleteStep', data: { stepId: stepId as StepId, attempt, by: 'worker', durationMs: 1, output: { builtin: 'noop' } } },
    streamFor(name),
    `complete ${name} ${stepId} ${String(attempt)}`,
  ),
  actor: { kind: 'service', id: 'worker' },
});

export const accessStream = streamOf('access', DEFAULT_TENANT);
