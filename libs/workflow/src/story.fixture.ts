import { expect } from '@jest/globals';
import {
  timestampOf,
  type AgentId,
  type Assignment,
  type JsonObject,
  type PlanDraft,
  type StepDraft,
  type StepError,
  type StepId,
  type StreamId,
  type TenantId,
  type WorkflowCommand,
  type WorkflowEvent,
  type WorkflowOptions,
  type WorkflowRequest,
} from '@taskmaster/contracts';
import { workflowDecider } from './decide.js';
import type { Decision, DecisionContext } from './decider.js';
import type { LiveWorkflow, Workflow } from './state.js';
import type { Step } from './step.js';
import { stepOf } from './steps.js';

const BEGIN_MS = Date.UTC(2026, 0, 1);

export const options: WorkflowOptions = {
  drive: 'auto',
  strict: false,
  timeoutMs: 3_600_000,
  maxFixCycles: 3,
  maxConcurrentSteps: 10,
  enableNlp: true,
  enableAgentCoordination: true,
  delegation: 'auto',
  validation: [],
  escalationTimeoutMs: 60_000,
};

export const repository = { url: 'file:///repository.git', branch: 'main', forge: 'local' } as const;

/** A step that does nothing. */
export const noopStep = (id: string, ...dependsOn: readonly string[]): StepDraft => ({
  id,
  kind: 'command.run',
  input: { builtin: 'noop' },
  dependsOn,
});
export const agentStep = (id: string, ...dependsOn: readonly string[]): StepDraft => ({
  id,
  kind: 'agent.run',
  input: { instruction: `do ${id}` },
  dependsOn,
});

/** `a → (b, c, d) → e`. */
export const diamond: PlanDraft = {
  steps: [noopStep('a'), noopStep('b', 'a'), noopStep('c', 'a'), noopStep('d', 'a'), noopStep('e', 'b', 'c', 'd')],
};

export const planRequest = (plan: PlanDraft, change: Partial<WorkflowRequest> = {}): WorkflowRequest => ({
  profile: 'simple',
  title: 'a plan',
  source: { kind: 'plan', plan },
  context: {},
  priority: 'medium',
  options,
  ...change,
});
export const requirementRequest = (change: Partial<WorkflowRequest> = {}): WorkflowRequest => ({
  profile: 'cicd',
  title: 'a requirement',
  source: { kind: 'requirement', text: 'Add a greeting' },
  repository,
  context: {},
  priority: 'medium',
  options,
  ...change,
});

export const assignment: Assignment = {
  agentId: 'agent-1' as AgentId,
  agentName: 'Agent',
  agentType: 'custom',
  simulated: true,
  policy: 'auto',
  reason: 'the only one',
  scores: [],
};

export const step = (id: string): StepId => id as StepId;
export const agentError: StepError = { type: 'agent', message: 'it changed nothing', retryable: true };

/** A workflow's life in a spec: commands in, events out, time under the spec's control. */
export class Story {
  workflow: Workflow = workflowDecider.initial;
  events: WorkflowEvent[] = [];
  private nowMs = BEGIN_MS;

  /** Lets time pass, in milliseconds. */
  after(ms: number): this {
    this.nowMs += ms;
    return this;
  }

  get now(): DecisionContext['now'] {
    return timestampOf(this.nowMs);
  }

  get live(): LiveWorkflow {
    if (this.workflow.status === 'absent') throw new Error('nothing was requested yet');
    return this.workflow;
  }

  /** A step as it is now. */
  step(id: string): Step | undefined {
    return stepOf(this.live.steps, step(id));
  }

  /** Decides a command and folds what was accepted. */
  when(command: WorkflowCommand, context: Partial<DecisionContext> = {}): Decision<WorkflowEvent> {
    this.nowMs += 1;
    const at = this.now;
    const decision = workflowDecider.decide(command, this.workflow, {
      now: at,
      stream: 'workflow-wf_1' as StreamId,
      tenantId: 'default' as TenantId,
      slotFree: true,
      ...context,
    });
    if (decision.kind === 'accepted') {
      for (const event of decision.events) this.workflow = workflowDecider.evolve(this.workflow, { ...event, at });
      this.events.push(...decision.events);
      // What the rules say it came to is what anybody who folds it finds.
      expect(decision.after).toEqual(this.workflow);
    }
    return decision;
  }

  request(request: WorkflowRequest, context: Partial<DecisionContext> = {}): this {
    this.must({ type: 'RequestWorkflow', data: { request } }, context);
    return this;
  }

  start(id: string, attempt = 1, given?: Assignment): this {
    this.must({
      type: 'StartStep',
      data: { stepId: step(id), attempt, holder: 'holder', leaseMs: 15_000, ...(given === undefined ? {} : { assignment: given }) },
    });
    return this;
  }

  complete(id: string, output: JsonObject = {}, attempt = 1): this {
    this.must({ type: 'CompleteStep', data: { stepId: step(id), attempt, by: 'holder', durationMs: 1, output } });
    return this;
  }

  fail(id: string, error: StepError = agentError, attempt = 1): this {
    this.must({ type: 'FailStep', data: { stepId: step(id), attempt, by: 'holder', error } });
    return this;
  }

  must(command: WorkflowCommand, context: Partial<DecisionContext> = {}): this {
    const decision = this.when(command, context);
    if (decision.kind !== 'accepted') throw new Error(`${command.type} was not accepted: ${JSON.stringify(decision)}`);
    return this;
  }

  /** From the request to the point where the plan's first steps are ready. */
  planned(...steps: readonly StepDraft[]): this {
    this.complete('tm-analyze-1', { items: [{ id: 'item' }], metadata: {}, use: {} });
    return this.complete('tm-plan-1', { plan: { steps: steps as unknown as JsonObject[] }, use: {} });
  }

  landed(cycle: number): this {
    this.start(`tm-land-${String(cycle)}`);
    return this.complete(`tm-land-${String(cycle)}`, {
      number: 1,
      url: 'url',
      title: 'title',
      source: 'source',
      target: 'main',
      head: `head-${String(cycle)}`,
    });
  }

  validated(cycle: number, passed: boolean): this {
    this.start(`tm-validate-${String(cycle)}`);
    const checks = [{ name: 'npm test', passed, durationMs: 1, outputTail: 'the output' }];
    return this.complete(`tm-validate-${String(cycle)}`, { passed, commit: `merge-${String(cycle)}`, base: 'base', checks });
  }

  merged(cycle: number): this {
    this.start(`tm-merge-${String(cycle)}`);
    return this.complete(`tm-merge-${String(cycle)}`, { merged: true, commit: `merge-${String(cycle)}`, number: 1, target: 'main' });
  }
}

export const story = (): Story => new Story();

/** One line per event: type, step or state. */
export const lines = (events: readonly WorkflowEvent[]): readonly string[] =>
  events.map((event) => {
    if ('stepId' in event.data) return `${event.type} ${event.data.stepId}`;
    return event.type === 'WorkflowTransitioned' ? `${event.type} ${event.data.to}` : event.type;
  });
