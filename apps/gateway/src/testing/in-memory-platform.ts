import { hash } from 'node:crypto';
import {
  CHAIN_START,
  DEFAULT_TENANT,
  eventIdOf,
  idOf,
  isClientCommandType,
  timestampOf,
  WORKFLOW_STATUSES,
  type AnswerOf,
  type ApiKeyView,
  type CommandAnswer,
  type CommandEnvelope,
  type CommandSender,
  type EndedWorkflow,
  type FeedMessage,
  type QueryAsker,
  type QueryOf,
  type QueryType,
  type RecordedEvent,
  type Role,
  type StreamId,
  type TenantId,
  type Timestamp,
  type WorkflowCommand,
  type WorkflowEvent,
  type WorkflowId,
  type WorkflowStatus,
  type WorkflowView,
} from '@taskmaster/contracts';
import { metricsOf, viewOfWorkflow, workflowDecider, type Workflow } from '@taskmaster/workflow';
import type { FeedSource } from '../live/feed-source.js';

interface Remembered {
  readonly text: string;
  readonly answer: CommandAnswer;
}

/**
 * The platform behind the gateway, in memory: the real rules on a log that is an array. Ready steps are answered at once by `work`,
 * unless it is switched off.
 */
export class InMemoryPlatform implements CommandSender, QueryAsker, FeedSource {
  readonly events: RecordedEvent[] = [];
  readonly keys = new Map<string, ApiKeyView>();
  readonly asked: string[] = [];
  /** Answers a ready step at once; null leaves it open. */
  work: ((step: { readonly kind: string; readonly input: unknown }) => Record<string, unknown>) | null = () => ({
    exitCode: 0,
    outputTail: '',
  });
  /** Commits are not announced: what the feed loses. */
  muted = false;
  private readonly inbox = new Map<string, Remembered>();
  private readonly workflows = new Map<string, Workflow>();
  private readonly listeners = new Set<(message: FeedMessage) => void>();
  private readonly endListeners = new Set<(ended: readonly EndedWorkflow[]) => void>();

  addKey(key: string, role: Role, tenantId: TenantId = DEFAULT_TENANT): void {
    this.keys.set(hash('sha256', key), { keyId: `key-${role}`, tenantId, name: role, role });
  }

  get head(): number {
    return this.events.length;
  }

  onEvents(listener: (message: FeedMessage) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  onEnded(listener: (ended: readonly EndedWorkflow[]) => void): () => void {
    this.endListeners.add(listener);
    return () => this.endListeners.delete(listener);
  }

  async send(envelope: CommandEnvelope): Promise<CommandAnswer> {
    await Promise.resolve();
    const text = JSON.stringify(envelope.command);
    const known = this.inbox.get(envelope.id);
    if (known !== undefined) {
      return known.text === text
        ? { outcome: 'duplicate', first: known.answer }
        : { outcome: 'rejected', code: 'command-reused', detail: 'this key was used for another command' };
    }
    const answer = this.decide(envelope);
    if (isClientCommandType(envelope.command.type)) this.inbox.set(envelope.id, { text, answer });
    if (answer.outcome === 'accepted') queueMicrotask(() => this.answerReadySteps(envelope.stream));
    return answer;
  }

  async ask<Q extends QueryType>(query: Q, question: QueryOf<Q>): Promise<AnswerOf<Q>> {
    await Promise.resolve();
    this.asked.push(query);
    const answers: Partial<Record<QueryType, (given: never) => unknown>> = {
      FindApiKey: (given: QueryOf<'FindApiKey'>) => this.keys.get(given.hash) ?? null,
      GetWorkflow: (given: QueryOf<'GetWorkflow'>) => this.view(given),
      ListWorkflows: (given: QueryOf<'ListWorkflows'>) => this.list(given),
      ListEvents: (given: QueryOf<'ListEvents'>) => this.page(given),
      GetWorkflowHistory: (given: QueryOf<'GetWorkflowHistory'>) => this.history(given),
      GetHealth: () => ({ service: 'in-memory', database: 'up', detail: 'in memory' }),
      ListAgents: () => ({ items: [] }),
      GetCounts: (given: QueryOf<'GetCounts'>) => this.counts(given),
      VerifyLog: () => ({
        head: this.head,
        streams: this.workflows.size,
        invariants: [{ number: 1, name: 'positions are dense', checked: this.head, violations: this.holes() }],
        durationMs: 0,
      }),
    };
    const answer = answers[query];
    if (answer === undefined) throw new Error(`nobody asks ${query} here`);
    return answer(question as never) as AnswerOf<Q>;
  }

  /** Tells listeners of a range, as the feed of another replica would. */
  announce(first: number, last: number): void {
    const events = this.events.slice(first - 1, last);
    const message: FeedMessage = {
      first,
      last,
      events: events.map(({ position, stream, version, tenantId, type, occurredAt, data }) => ({
        position,
        stream,
        version,
        tenantId,
        type,
        occurredAt,
        data,
      })),
    };
    for (const listener of this.listeners) listener(JSON.parse(JSON.stringify(message)) as FeedMessage);
    const ended = events.filter(({ type }) => type === 'WorkflowEnded').map(({ stream, tenantId }) => ({ stream, tenantId }));
    if (ended.length > 0) for (const listener of this.endListeners) listener(ended);
  }

  private decide(envelope: CommandEnvelope): CommandAnswer {
    const { stream, tenantId } = envelope;
    const state = this.workflows.get(stream) ?? workflowDecider.initial;
    const decision = workflowDecider.decide(envelope.command as WorkflowCommand, state, { now: now(), stream, tenantId, slotFree: true });
    switch (decision.kind) {
      case 'accepted':
        return this.append(envelope, state, decision.events);
      case 'duplicate':
        return { outcome: 'duplicate', first: null };
      case 'rejected':
        return {
          outcome: 'rejected',
          code: decision.code,
          detail: decision.detail,
          ...(decision.data === undefined ? {} : { data: decision.data }),
        };
      case 'noop':
        return { outcome: 'noop', detail: decision.detail };
      case 'later':
        return { outcome: 'later', detail: decision.detail, retryAfterMs: decision.retryAfterMs };
      case 'held':
        return { outcome: 'held', holder: decision.holder };
    }
  }

  private append(envelope: CommandEnvelope, before: Workflow, events: readonly WorkflowEvent[]): CommandAnswer {
    const first = this.head + 1;
    let state = before;
    let version = this.events.filter((event) => event.stream === envelope.stream).length;
    for (const event of events) {
      version += 1;
      const at = now();
      state = workflowDecider.evolve(state, { ...event, at });
      this.events.push({
        id: eventIdOf(envelope.stream, version),
        position: this.head + 1,
        stream: envelope.stream,
        version,
        tenantId: envelope.tenantId,
        type: event.type,
        schemaVersion: 1,
        data: event.data,
        occurredAt: at,
        recordedAt: at,
        commandId: envelope.id,
        actor: envelope.actor,
        correlationId: envelope.correlationId,
        hash: CHAIN_START,
      });
    }
    this.workflows.set(envelope.stream, state);
    if (!this.muted)
      queueMicrotask(() => {
        this.announce(first, this.head);
      });
    return { outcome: 'accepted', stream: envelope.stream, version, position: this.head };
  }

  private answerReadySteps(stream: StreamId): void {
    const view = this.view({ tenantId: DEFAULT_TENANT, workflowId: idOf(stream) });
    if (this.work === null || view === null || view.status === 'paused') return;
    for (const step of view.steps.filter((candidate) => candidate.status === 'ready')) {
      const readied = this.events.findLast(
        (event) => event.stream === stream && event.type === 'StepReadied' && (event.data as { stepId: string }).stepId === step.id,
      );
      const input = (readied?.data as { input?: unknown } | undefined)?.input;
      void this.send({
        id: eventIdOf(stream, this.head) as never,
        stream,
        tenantId: DEFAULT_TENANT,
        actor: { kind: 'service', id: 'in-memory' },
        correlationId: idOf(stream),
        command: {
          type: 'CompleteStep',
          data: {
            stepId: step.id,
            attempt: step.attempt,
            by: 'in-memory',
            durationMs: 1,
            output: this.work({ kind: step.kind, input }) as never,
          },
        },
      });
    }
  }

  private view({ tenantId, workflowId }: { tenantId: TenantId; workflowId: string }): WorkflowView | null {
    const stream = `workflow-${workflowId}`;
    const state = this.workflows.get(stream);
    const mine = this.events.some((event) => event.stream === stream && event.tenantId === tenantId);
    if (state === undefined || !mine) return null;
    return viewOfWorkflow(workflowId as WorkflowId, state) ?? null;
  }

  private list({ tenantId, limit, cursor, status }: QueryOf<'ListWorkflows'>): AnswerOf<'ListWorkflows'> {
    const views = [...this.workflows.keys()].flatMap((stream) => this.view({ tenantId, workflowId: idOf(stream as StreamId) }) ?? []);
    const wanted = views.filter((view) => status === undefined || view.status === status);
    const from = cursor === undefined ? 0 : Number(cursor);
    const items = wanted.slice(from, from + limit);
    return { items, ...(from + limit < wanted.length ? { nextCursor: String(from + limit) } : {}) };
  }

  private page({ tenantId, workflowId, after, limit }: QueryOf<'ListEvents'>): AnswerOf<'ListEvents'> {
    const wanted = this.events.filter(
      (event) =>
        event.tenantId === tenantId && event.position > after && (workflowId === undefined || event.stream === `workflow-${workflowId}`),
    );
    return { events: wanted.slice(0, limit), head: this.head };
  }

  private history({ tenantId, workflowId }: QueryOf<'GetWorkflowHistory'>): AnswerOf<'GetWorkflowHistory'> {
    if (this.view({ tenantId, workflowId }) === null) return null;
    const moves = this.events.filter((event) => event.stream === `workflow-${workflowId}` && event.type === 'WorkflowTransitioned');
    const transitions = moves.map((event) => ({
      position: event.position,
      ...(event.data as { from: string; to: string; reason: string; metadata: Record<string, never> }),
      at: event.occurredAt,
    }));
    return {
      transitions,
      metrics: metricsOf(
        transitions.map(({ to, at }) => ({ state: to, timestamp: at })),
        now(),
        true,
      ),
    };
  }

  private counts({ tenantId }: QueryOf<'GetCounts'>): AnswerOf<'GetCounts'> {
    const { items } = this.list({ tenantId, limit: 10_000 });
    const workflows = Object.fromEntries(
      WORKFLOW_STATUSES.map((status) => [status, items.filter((item) => item.status === status).length]),
    ) as Record<WorkflowStatus, number>;
    return { head: this.head, workflows, openSteps: 0, epoch: 1, relayLag: 0 };
  }

  private holes(): readonly string[] {
    return this.events.flatMap((event, index) => (event.position === index + 1 ? [] : [`position ${String(index + 1)} is missing`]));
  }
}

const now = (): Timestamp => timestampOf(Date.now());
