import {
  deriveUuid,
  DEFAULT_TENANT,
  streamOf,
  timestampOf,
  workflowStream,
  type Command,
  type CommandEnvelope,
  type CommandId,
  type JsonObject,
  type StepDraft,
  type StepId,
  type StreamId,
  type TenantId,
  type WorkflowId,
  type WorkflowRequest,
  type WorkflowSystemCommand,
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
    onCommitted: ({ events }) => committed.push(...events),
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
export const streamFor = (name: string): StreamId => workflowStream(`wf_${requestId(name).replaceAll('-', '')}` as WorkflowId);

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

/** A command of a worker about an attempt. */
export const reported = (name: string, key: string, command: WorkflowSystemCommand): CommandEnvelope => ({
  ...envelope(command, streamFor(name), `${command.type} ${name} ${key}`),
  actor: { kind: 'service', id: 'worker' },
});

export const start = (
  name: string,
  stepId: string,
  given: { holder?: string; attempt?: number; leaseMs?: number } = {},
): CommandEnvelope => {
  const { holder = 'worker', attempt = 1, leaseMs = 60_000 } = given;
  const data = { stepId: stepId as StepId, attempt, holder, leaseMs };
  return reported(name, `${stepId} ${String(attempt)} ${holder}`, { type: 'StartStep', data });
};

interface Reporting {
  readonly by?: string;
  readonly attempt?: number;
}

export const completeWith = (
  name: string,
  stepId: string,
  output: JsonObject,
  { by = 'worker', attempt = 1 }: Reporting = {},
): CommandEnvelope => {
  const data = { stepId: stepId as StepId, attempt, by, durationMs: 1, output };
  return reported(name, `${stepId} ${String(attempt)} ${by}`, { type: 'CompleteStep', data });
};

/** Carries a workflow of the profile cicd to the end of its validation: its merge is ready, or a person is asked. */
export async function validated({ handler }: Replica, name: string, passed: boolean): Promise<void> {
  const repository = { url: 'file:///repository.git', branch: 'main', forge: 'local' } as const;
  const options = { ...planRequest([]).options, maxFixCycles: 0 };
  const landed = { number: 1, url: 'url', title: 'title', source: 'source', target: 'main', head: 'head' };
  const checks = [{ name: 'npm test', passed, durationMs: 1, outputTail: '' }];
  await handler.handle(request(name, [noop('a')], { profile: 'cicd', repository, options }));
  await handler.handle(complete(name, 'a'));
  await handler.handle(start(name, 'tm-land-1'));
  await handler.handle(completeWith(name, 'tm-land-1', landed));
  await handler.handle(start(name, 'tm-validate-1'));
  await handler.handle(completeWith(name, 'tm-validate-1', { passed, commit: 'merge', base: 'base', checks }));
}

export const MERGED = { merged: true, commit: 'merge', number: 1, target: 'main' } as const;

export const accessStream = streamOf('access', DEFAULT_TENANT);
