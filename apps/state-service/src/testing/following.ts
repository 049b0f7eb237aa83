import { deriveUuid, idOf, timestampOf, type CommandId, type StepId, type StreamId, type WorkflowId } from '@taskmaster/contracts';
import type { QuotaCount } from '@taskmaster/event-log';
import { AdmissionReactor } from '../admission.reactor.js';
import { ChildrenReactor } from '../children.reactor.js';
import type { CommittedEvent } from '../handle-command.js';
import { Sweeper } from '../sweeper.js';
import { openReplica, type Replica } from './replica.js';

/** A replica that admits, follows child workflows, sweeps when it is told to, and does the steps that do nothing. */
export interface FollowingReplica extends Replica {
  readonly children: ChildrenReactor;
  readonly sweeper: Sweeper;
}

export interface FollowingOptions {
  readonly slotsMax: number;
  /** How far its clock is behind that of the database: what it makes due is due at once. */
  readonly behindMs?: number;
  /** Whether a commit tells whom it concerns, or nobody is told but by the sweep. */
  readonly tells?: boolean;
  /** Whether the steps that do nothing are done. */
  readonly works?: boolean;
}

const failing = (error: unknown): never => {
  throw error;
};

export async function openFollowing(url: string, options: FollowingOptions): Promise<FollowingReplica> {
  const { slotsMax, behindMs = 0, tells = true, works = true } = options;
  const clock = (): ReturnType<typeof timestampOf> => timestampOf(Date.now() - behindMs);
  const committed: CommittedEvent[] = [];
  const replica: Replica = await openReplica(url, {
    ...{ slotsMax, clock },
    onCommitted: (commit) => {
      committed.push(...commit.events);
      if (tells) children.onCommitted(commit);
      if (works) for (const event of commit.events) void work(event);
    },
    onQuotas: (quotas: readonly QuotaCount[]) => admission.onQuotas(quotas),
  });
  const { handler, openWork } = replica;
  const send: typeof handler.handle = (envelope) => handler.handle(envelope);
  const children = new ChildrenReactor({ today: (streams) => handler.loader.refresh(streams), openWork, send, clock, onFault: failing });
  const admission = new AdmissionReactor({ openWork, slotsMax, send, onFault: failing });
  const sweeper = new Sweeper({
    ...{ openWork, send },
    children: (due) => children.onDue(due),
    publishes: () => false,
    republish: () => Promise.resolve(false),
  });
  const work = async ({ type, data, stream, version, tenantId }: CommittedEvent): Promise<void> => {
    if (type !== 'StepReadied' || !('kind' in data) || data.kind !== 'command.run') return;
    const { stepId, attempt } = data as { readonly stepId: StepId; readonly attempt: number };
    const key = `${stream} ${String(version)}`;
    await handler.handle({
      ...{ id: deriveUuid(key) as CommandId, stream, tenantId, correlationId: key, actor: { kind: 'service', id: 'worker' } },
      command: { type: 'CompleteStep', data: { stepId, attempt, by: 'worker', durationMs: 1, output: {} } },
    });
  };
  const close = async (): Promise<void> => {
    await Promise.all([admission.idle(), children.idle()]);
    await replica.close();
  };
  return { ...replica, committed, children, sweeper, close };
}

export const workflowOf = (stream: StreamId): WorkflowId => idOf(stream) as WorkflowId;
