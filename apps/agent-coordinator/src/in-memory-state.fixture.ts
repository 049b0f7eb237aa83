import {
  categoryOf,
  eventIdOf,
  idOf,
  kindGroupOf,
  timestampOf,
  type AgentCommand,
  type AgentId,
  type AgentView,
  type AnswerOf,
  type CommandAnswer,
  type CommandEnvelope,
  type CommandSender,
  type DomainEvent,
  type Notice,
  type QueryAsker,
  type QueryOf,
  type QueryType,
  type StepId,
  type StreamId,
  type WorkflowCommand,
  type WorkflowId,
} from '@taskmaster/contracts';
import { agentDecider, stepContextOf, stepOf, viewOfWorkflow, workflowDecider, type Agent, type Workflow } from '@taskmaster/workflow';

type Listener = (notice: Notice) => void;

/** state-service without Postgres and NATS: the real rules over streams in memory, for specs of what talks to it. */
export class InMemoryState implements CommandSender, QueryAsker {
  readonly sent: CommandEnvelope[] = [];
  readonly events: { readonly stream: StreamId; readonly event: DomainEvent }[] = [];
  private readonly workflows = new Map<StreamId, Workflow>();
  private readonly agents = new Map<StreamId, Agent>();
  private readonly versions = new Map<StreamId, number>();
  private readonly listeners: Listener[] = [];

  onNotice(listener: Listener): void {
    this.listeners.push(listener);
  }

  send(envelope: CommandEnvelope): Promise<CommandAnswer> {
    this.sent.push(envelope);
    return Promise.resolve(categoryOf(envelope.stream) === 'agent' ? this.decideAgent(envelope) : this.decideWorkflow(envelope));
  }

  ask<Q extends QueryType>(query: Q, question: QueryOf<Q>): Promise<AnswerOf<Q>> {
    return Promise.resolve(this.answer(query, question) as AnswerOf<Q>);
  }

  workflow(id: string): Workflow {
    return this.workflows.get(`workflow-${id}` as StreamId) ?? workflowDecider.initial;
  }

  eventsOf(id: string): readonly DomainEvent[] {
    return this.events.filter(({ stream }) => stream === `workflow-${id}`).map(({ event }) => event);
  }

  private answer(query: QueryType, question: unknown): unknown {
    switch (query) {
      case 'GetStepContext': {
        const { workflowId, stepId, attempt } = question as QueryOf<'GetStepContext'>;
        return stepContextOf(workflowId, this.workflow(workflowId), { stepId, attempt }) ?? null;
      }
      case 'GetWorkflow': {
        const { workflowId } = question as QueryOf<'GetWorkflow'>;
        return viewOfWorkflow(workflowId as WorkflowId, this.workflow(workflowId)) ?? null;
      }
      case 'ListAgents':
        return { items: [...this.agents].flatMap(([stream, agent]) => viewOf(stream, agent)) };
      case 'RenewLeases':
        return { answers: (question as QueryOf<'RenewLeases'>).renewals.map((renewal) => (this.holds(renewal) ? 'renewed' : 'lost')) };
      default:
        throw new Error(`not answered here: ${query}`);
    }
  }

  private holds(renewal: {
    readonly workflowId: string;
    readonly stepId: StepId;
    readonly attempt: number;
    readonly holder: string;
  }): boolean {
    const workflow = this.workflow(renewal.workflowId);
    const situation = workflow.status === 'absent' ? undefined : stepOf(workflow.steps, renewal.stepId)?.situation;
    return situation?.status === 'running' && situation.attempt === renewal.attempt && situation.holder === renewal.holder;
  }

  private decideAgent(envelope: CommandEnvelope): CommandAnswer {
    const before = this.agents.get(envelope.stream) ?? agentDecider.initial;
    const now = timestampOf(Date.now());
    const decision = agentDecider.decide(envelope.command as AgentCommand, before, this.contextOf(envelope));
    if (decision.kind !== 'accepted') return answerOf(decision);
    let agent = before;
    for (const event of decision.events) agent = agentDecider.evolve(agent, { ...event, at: now });
    this.agents.set(envelope.stream, agent);
    return this.append(envelope, decision.events);
  }

  private decideWorkflow(envelope: CommandEnvelope): CommandAnswer {
    const before = this.workflows.get(envelope.stream) ?? workflowDecider.initial;
    const now = timestampOf(Date.now());
    const decision = workflowDecider.decide(envelope.command as WorkflowCommand, before, this.contextOf(envelope));
    if (decision.kind !== 'accepted') return answerOf(decision);
    let workflow = before;
    for (const event of decision.events) workflow = workflowDecider.evolve(workflow, { ...event, at: now });
    this.workflows.set(envelope.stream, workflow);
    return this.append(envelope, decision.events);
  }

  private contextOf({ stream, tenantId }: CommandEnvelope): Parameters<typeof workflowDecider.decide>[2] {
    return { now: timestampOf(Date.now()), stream, tenantId, slotFree: true };
  }

  private append(envelope: CommandEnvelope, events: readonly DomainEvent[]): CommandAnswer {
    for (const event of events) {
      this.events.push({ stream: envelope.stream, event });
      const version = (this.versions.get(envelope.stream) ?? 0) + 1;
      this.versions.set(envelope.stream, version);
      if (event.type === 'StepReadied' && kindGroupOf(event.data.kind) !== undefined) this.publish(envelope, event, version);
    }
    return { outcome: 'accepted', stream: envelope.stream, version: this.versions.get(envelope.stream) ?? 0, position: this.events.length };
  }

  private publish(envelope: CommandEnvelope, event: Extract<DomainEvent, { type: 'StepReadied' }>, version: number): void {
    const { stepId, attempt, kind, input } = event.data;
    const notice: Notice = {
      eventId: eventIdOf(envelope.stream, version),
      position: this.events.length,
      tenantId: envelope.tenantId,
      workflowId: idOf(envelope.stream) as WorkflowId,
      stepId,
      attempt,
      kind,
      input,
      correlationId: envelope.correlationId,
    };
    queueMicrotask(() => {
      for (const listener of this.listeners) listener(notice);
    });
  }
}

function viewOf(stream: StreamId, agent: Agent): AgentView[] {
  if (agent.status === 'absent') return [];
  const { profile, available, detail } = agent;
  return [{ id: idOf(stream) as AgentId, profile, available, detail, running: 0, succeeded: 0, failed: 0 }];
}

type No = Exclude<ReturnType<typeof workflowDecider.decide>, { kind: 'accepted' }>;

function answerOf(no: No): CommandAnswer {
  switch (no.kind) {
    case 'rejected':
      return { outcome: 'rejected', code: no.code, detail: no.detail };
    case 'noop':
      return { outcome: 'noop', detail: no.detail };
    case 'later':
      return { outcome: 'later', detail: no.detail, retryAfterMs: no.retryAfterMs };
    case 'held':
      return { outcome: 'held', holder: no.holder };
    case 'duplicate':
      return { outcome: 'duplicate', first: null };
  }
}
