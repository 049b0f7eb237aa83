import {
  isJsonObject,
  WORKFLOW_STATUSES,
  workflowStream,
  type AnswerOf,
  type ApiKeyView,
  type PlatformCounts,
  type QueryOf,
  type RecordedEvent,
  type TenantId,
  type TransitionRecord,
  type WorkflowId,
  type WorkflowStatus,
} from '@taskmaster/contracts';
import {
  PostgresEpochStore,
  readHead,
  readTenant,
  readTenantStream,
  recordedEvent,
  type EventStore,
  type OpenWork,
  type Pools,
  type StoredEvent,
} from '@taskmaster/event-log';
import { metricsOf, stepContextOf, upcast, viewOfWorkflow, type Workflow } from '@taskmaster/workflow';
import { readAgents } from './agent-list.js';
import type { Entry } from './entry.js';
import type { Lists } from './lists.js';
import { pageSizeOf } from './page-size.js';
import type { Requirements } from './requirements.js';
import type { StreamLoader } from './stream-loader.js';
import { verifyLog } from './verify-log.js';

export interface QueriesOptions {
  readonly pools: Pools;
  readonly store: EventStore;
  readonly openWork: OpenWork;
  readonly loader: StreamLoader;
  readonly lists: Lists;
  readonly requirements: Requirements;
  readonly slotsMax: number;
  readonly now: () => string;
}

/** Every question of the wire, answered from the log and its rows. */
export class QueryAnswers {
  constructor(private readonly options: QueriesOptions) {}

  async getWorkflow({ tenantId, workflowId }: QueryOf<'GetWorkflow'>): Promise<AnswerOf<'GetWorkflow'>> {
    const entry = await this.workflow(tenantId, workflowId);
    const view = entry === undefined ? undefined : viewOfWorkflow(workflowId as WorkflowId, entry.state as Workflow);
    return view === undefined ? null : this.withWholeRequirement(tenantId, entry, view);
  }

  async listWorkflows(question: QueryOf<'ListWorkflows'>): Promise<AnswerOf<'ListWorkflows'>> {
    return (await this.options.lists.opened()).listWorkflows(question);
  }

  async getHistory({ tenantId, workflowId }: QueryOf<'GetWorkflowHistory'>): Promise<AnswerOf<'GetWorkflowHistory'>> {
    const events = (await this.options.store.readStream(workflowStream(workflowId as WorkflowId), 0)).filter(
      (event) => event.tenantId === tenantId,
    );
    const [first] = events;
    if (first === undefined) return null;
    const transitions = events.filter(({ type }) => type === 'WorkflowTransitioned').map(transitionOf);
    const entry = await this.workflow(tenantId, workflowId);
    const state = entry?.state as Workflow | undefined;
    const initial = transitions[0]?.from ?? (state !== undefined && state.status !== 'absent' ? state.state : 'pending');
    const history = [{ state: initial, timestamp: first.occurredAt }, ...transitions.map(({ to, at }) => ({ state: to, timestamp: at }))];
    return { transitions, metrics: metricsOf(history, this.options.now() as TransitionRecord['at'], state?.status === 'ended') };
  }

  async listEvents({ tenantId, workflowId, after, limit }: QueryOf<'ListEvents'>): Promise<AnswerOf<'ListEvents'>> {
    const size = pageSizeOf(limit);
    const { read } = this.options.pools;
    const head = await readHead(read);
    const stored =
      workflowId === undefined
        ? await readTenant(read, tenantId, after, size)
        : await readTenantStream(read, { tenantId, stream: workflowStream(workflowId as WorkflowId) }, after, size);
    return { events: stored.map(currentEvent), head };
  }

  async getStepContext({ tenantId, workflowId, stepId, attempt }: QueryOf<'GetStepContext'>): Promise<AnswerOf<'GetStepContext'>> {
    const entry = await this.workflow(tenantId, workflowId);
    const context = entry === undefined ? undefined : stepContextOf(workflowId, entry.state as Workflow, { stepId, attempt });
    return context === undefined ? null : this.withWholeRequirement(tenantId, entry, context);
  }

  async listAgents({ tenantId }: QueryOf<'ListAgents'>): Promise<AnswerOf<'ListAgents'>> {
    return { items: await readAgents(this.options.pools, tenantId) };
  }

  /** Looked up before the tenant is known, so under the service role. */
  async findApiKey({ hash }: QueryOf<'FindApiKey'>): Promise<AnswerOf<'FindApiKey'>> {
    const { rows } = await this.options.pools.read.query<ApiKeyView>({
      name: 'find-api-key',
      text: 'select key_id as "keyId", tenant_id as "tenantId", name, role from api_key where hash = $1 and not revoked',
      values: [hash],
    });
    return rows[0] ?? null;
  }

  async getCounts({ tenantId }: QueryOf<'GetCounts'>): Promise<PlatformCounts> {
    const { pools, lists } = this.options;
    const [{ byStatus, openSteps }, head, epoch] = await Promise.all([
      lists.opened().then((models) => models.countWorkflows(tenantId)),
      readHead(pools.read),
      new PostgresEpochStore(pools.read).current(),
    ]);
    const workflows = Object.fromEntries(WORKFLOW_STATUSES.map((status) => [status, byStatus[status] ?? 0])) as Record<
      WorkflowStatus,
      number
    >;
    return { head, workflows, openSteps, epoch: epoch.epoch, relayLag: Math.max(0, head - epoch.acknowledgedUpto) };
  }

  verify({ tenantId }: QueryOf<'VerifyLog'>): Promise<AnswerOf<'VerifyLog'>> {
    return verifyLog({ pools: this.options.pools, tenantId, slotsMax: this.options.slotsMax });
  }

  async renewLeases({ renewals }: QueryOf<'RenewLeases'>): Promise<AnswerOf<'RenewLeases'>> {
    return { answers: renewals.length === 0 ? [] : await this.options.openWork.renewLeases(renewals) };
  }

  async health(service: string): Promise<AnswerOf<'GetHealth'>> {
    try {
      const head = await readHead(this.options.pools.read);
      return {
        service,
        database: 'up',
        detail: `the log ends at ${String(head)}${this.options.pools.restricted ? '' : '; running without the service role'}`,
      };
    } catch (error) {
      return { service, database: 'down', detail: error instanceof Error ? error.name : 'no answer' };
    }
  }

  private async withWholeRequirement<T extends { readonly requirement?: string }>(
    tenantId: TenantId,
    entry: Entry | undefined,
    view: T,
  ): Promise<T> {
    const state = entry?.state as Workflow | undefined;
    const source = state === undefined || state.status === 'absent' ? undefined : state.request.source;
    if (source?.kind !== 'requirement' || source.contentHash === undefined) return view;
    return { ...view, requirement: await this.options.requirements.whole(tenantId, source.contentHash) };
  }

  /** Today's state, also when another replica wrote last; what has ended no longer changes. */
  private async workflow(tenantId: TenantId, workflowId: string): Promise<Entry | undefined> {
    const stream = workflowStream(workflowId as WorkflowId);
    const cached = this.options.loader.cached(stream);
    const isFinal = (cached?.state as Workflow | undefined)?.status === 'ended';
    const entry = isFinal ? cached : (await this.options.loader.refresh([stream])).get(stream);
    return entry?.tenantId === tenantId ? entry : undefined;
  }
}

const currentEvent = (stored: StoredEvent): RecordedEvent => {
  const event = recordedEvent(stored);
  return { ...event, data: upcast(event.type, event.schemaVersion, event.data) } as RecordedEvent;
};

function transitionOf(stored: StoredEvent): TransitionRecord {
  const data: unknown = JSON.parse(stored.dataText);
  const { from, to, reason, metadata } = (isJsonObject(data) ? data : {}) as unknown as TransitionRecord;
  return { position: stored.position, from, to, reason, metadata, at: stored.occurredAt };
}
