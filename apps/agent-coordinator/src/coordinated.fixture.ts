import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import {
  clientCommandId,
  DEFAULT_TENANT,
  reactionCommandId,
  streamOf,
  timestampOf,
  newWorkflowId,
  workflowStream,
  type AgentProfile,
  type AgentView,
  type CommandEnvelope,
  type Notice,
  type PlanDraft,
  type WorkflowId,
  type WorkflowOptions,
  type WorkflowRequest,
} from '@taskmaster/contracts';
import { systemTimers } from '@taskmaster/messaging';
import { reactToAgentStep } from './assign-step.reactor.js';
import { reactToChangeStep } from './change.reactor.js';
import type { ChangeDesk } from './change/change.js';
import type { Coordinator } from './coordinator.js';
import type { AgentDriver, DriverOutcome, DriverSession, DriverTask } from './driver.js';
import { HeldAttempts } from './held-attempts.js';
import { InMemoryState } from './in-memory-state.fixture.js';
import { reactToCommandStep } from './run-command.reactor.js';
import { StepReporter } from './steps.js';
import { createDesk, write, type Testbed } from './testbed.fixture.js';
import { Sessions } from './workspace/sessions.js';

/** What an agent of a spec does with a task: edits the workspace, answers, or never ends. */
export type Deed = (task: DriverTask) => DriverOutcome | Promise<DriverOutcome>;

export const finished = (summary = 'done'): DriverOutcome => ({ kind: 'finished', summary, transcriptTail: summary });

/** An agent inside the process. */
export class DeedDriver implements AgentDriver {
  readonly tasks: DriverTask[] = [];
  readonly stopped: string[] = [];

  constructor(private readonly deed: Deed) {}

  start(task: DriverTask): Promise<DriverSession> {
    this.tasks.push(task);
    return Promise.resolve(this.sessionOf(task));
  }

  health(): Promise<{ available: boolean; detail: string }> {
    return Promise.resolve({ available: true, detail: 'here' });
  }

  protected sessionOf(task: DriverTask): DriverSession {
    return {
      outcome: Promise.resolve(this.deed(task)),
      stop: (reason) => {
        this.stopped.push(reason);
        return Promise.resolve();
      },
      facts: { driver: 'deed' },
    };
  }
}

const OPTIONS: WorkflowOptions = {
  drive: 'auto',
  strict: false,
  timeoutMs: 600_000,
  maxFixCycles: 1,
  maxConcurrentSteps: 10,
  enableNlp: false,
  enableAgentCoordination: true,
  delegation: 'auto',
  validation: [],
  escalationTimeoutMs: 60_000,
};

/** The real rules, the real git, and coordinators that share them. */
export class Coordinated {
  readonly state = new InMemoryState();
  readonly faults: unknown[] = [];
  private readonly notices: Promise<unknown>[] = [];
  private readonly killed = new Set<Coordinator>();
  private coordinators = 0;

  constructor(readonly bed: Testbed) {}

  /** A coordinator with its own root. With `listening` it reacts to every notice, each of which comes twice. */
  coordinator(driver: AgentDriver, options: { readonly listening?: boolean; readonly root?: string } = {}): Coordinator {
    this.coordinators += 1;
    const root = options.root ?? join(this.bed.root, `c${String(this.coordinators)}`);
    const desk: ChangeDesk = createDesk(root);
    const holder = `coordinator-${root}`;
    const held = new HeldAttempts(this.state, {
      holder,
      leaseMs: 15_000,
      onFault: (_what, error) => {
        this.faults.push(error);
      },
    });
    const c: Coordinator = {
      asker: this.state,
      reporter: new StepReporter(this.state, holder, 15_000),
      held,
      sessions: new Sessions(join(root, 'sessions'), desk.lanes),
      desk,
      driverOf: () => Promise.resolve(driver),
      now: () => timestampOf(Date.now()),
      timers: systemTimers,
    };
    if (options.listening !== false) {
      this.state.onNotice((notice) => {
        if (!this.killed.has(c)) this.notices.push(react(c, notice), react(c, notice));
      });
    }
    return c;
  }

  /** The coordinator hears and does nothing more; what it left stays. */
  kill(c: Coordinator): void {
    this.killed.add(c);
  }

  async register(name: string, change: Partial<AgentProfile> = {}): Promise<void> {
    const profile: AgentProfile = {
      name,
      type: 'custom',
      driver: 'agentapi',
      endpoint: 'http://127.0.0.1:1',
      simulated: false,
      roles: [],
      capabilities: {},
      languages: [],
      specialisations: [],
      maxConcurrent: 10,
      ...change,
    };
    const envelope = {
      stream: streamOf('agent', name),
      tenantId: DEFAULT_TENANT,
      actor: { kind: 'system', id: 'spec' } as const,
      correlationId: 'spec',
    };
    await this.state.send({
      ...envelope,
      id: reactionCommandId(name, 'RegisterAgent'),
      command: { type: 'RegisterAgent', data: { profile } },
    });
    const command = { type: 'ReportAgentAvailability', data: { available: true, detail: 'here' } } as const;
    await this.state.send({ ...envelope, id: reactionCommandId(name, 'ReportAgentAvailability'), command });
  }

  async request(plan: PlanDraft, change: Partial<WorkflowRequest> = {}): Promise<WorkflowId> {
    const workflowId = newWorkflowId(Date.now(), randomBytes(16));
    const request: WorkflowRequest = {
      profile: 'cicd',
      title: 'Add a health check',
      source: { kind: 'plan', plan },
      repository: this.bed.repository,
      context: {},
      priority: 'medium',
      options: OPTIONS,
      ...change,
    };
    await this.client(workflowId, { type: 'RequestWorkflow', data: { request } });
    return workflowId;
  }

  async client(workflowId: WorkflowId, command: CommandEnvelope['command']): Promise<void> {
    await this.state.send({
      id: clientCommandId(DEFAULT_TENANT, `${command.type}-${workflowId}`),
      stream: workflowStream(workflowId),
      tenantId: DEFAULT_TENANT,
      actor: { kind: 'user', id: 'spec' },
      correlationId: workflowId,
      command,
    });
  }

  /** Waits on a condition of the workflow, at most this long. */
  async until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!(await holds())) {
      if (performance.now() > deadline)
        throw new Error(
          `not in time: ${what}; events: ${this.state.events.map(({ event }) => event.type).join(' ')}; ${JSON.stringify(this.state.events.at(-1))}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await Promise.all(this.notices);
  }

  ended(workflowId: WorkflowId): boolean {
    return this.state.workflow(workflowId).status === 'ended';
  }

  types(workflowId: WorkflowId): readonly string[] {
    return this.state.eventsOf(workflowId).map((event) => event.type);
  }
}

export async function react(c: Coordinator, notice: Notice): Promise<void> {
  for (;;) {
    const outcome = await reactionOf(c, notice);
    if (outcome.kind === 'answered') return;
    await new Promise((resolve) => setTimeout(resolve, Math.min(outcome.afterMs, 50)));
  }
}

function reactionOf(c: Coordinator, notice: Notice): ReturnType<typeof reactToAgentStep> {
  if (notice.kind.startsWith('agent.')) return reactToAgentStep(c, notice);
  return notice.kind === 'command.run' ? reactToCommandStep(c, notice) : reactToChangeStep(c, notice);
}

export const writes =
  (files: (task: DriverTask, agent: AgentView) => Readonly<Record<string, string>>): Deed =>
  (task) => {
    write(task.workspace, files(task, task.agent));
    return finished(`wrote for ${task.attempt.stepId}`);
  };
