import type { LiveEvent } from '@taskmaster/client';
import { emptyRun, watch, type Run } from './run.js';

const START = Date.parse('2026-01-01T00:00:00.000Z');

/** Events of a story, one a second, from their types and data. */
export const story = (...parts: readonly (readonly [type: string, data: unknown])[]): readonly LiveEvent[] =>
  parts.map(([type, data], index) => ({
    position: index + 1,
    stream: 'workflow-wf_1',
    version: index + 1,
    type,
    at: new Date(START + index * 1000).toISOString(),
    workflowId: 'wf_1',
    data: data as LiveEvent['data'],
  }));

export const runOf = (events: readonly LiveEvent[]): Run => events.reduce(watch, emptyRun('wf_1'));
export const momentAfter = (seconds: number): number => START + seconds * 1000;

const step = (id: string, title: string, dependsOn: readonly string[] = []): object => ({ id, title, kind: 'agent.run', dependsOn });
const to = (from: string, next: string): readonly [string, unknown] => [
  'WorkflowTransitioned',
  { from, to: next, reason: 'stage done', metadata: {} },
];
const assignment = {
  agentId: 'a1',
  agentName: 'simulated-1',
  agentType: 'claude-code',
  simulated: true,
  policy: 'auto',
  reason: 'best of 1: role 20, capability 30, availability 15, load 10',
  scores: [],
};

/** A `cicd` workflow from its request to its merge. */
export const DELIVERY = story(
  ['WorkflowRequested', { request: { title: 'Create a REST API for user management with authentication', profile: 'cicd' } }],
  to('pending', 'nlp_parsing'),
  ['StepReadied', { stepId: 'tm-analyze', attempt: 1, kind: 'requirements.parse', input: {} }],
  ['StepSucceeded', { stepId: 'tm-analyze', attempt: 1, durationMs: 12 }],
  ['RequirementsParsed', { items: [{}, {}], use: { provider: 'offline', model: 'rules' } }],
  to('nlp_parsing', 'task_decomposition'),
  [
    'PlanAdopted',
    {
      steps: [
        step('schema', 'Design the user schema'),
        step('login', 'Implement login', ['schema']),
        step('reset', 'Implement password reset', ['schema', 'login']),
      ],
    },
  ],
  to('task_decomposition', 'dependency_resolution'),
  to('dependency_resolution', 'agent_assignment'),
  ['StepReadied', { stepId: 'schema', attempt: 1, kind: 'agent.run', input: {} }],
  ['StepAssigned', { stepId: 'schema', attempt: 1, assignment }],
  ['StepStarted', { stepId: 'schema', attempt: 1 }],
  to('agent_assignment', 'processing'),
  ['StepProgressed', { stepId: 'schema', attempt: 1, message: 'writing src/schema.js' }],
  ['StepSucceeded', { stepId: 'schema', attempt: 1, durationMs: 900 }],
  to('processing', 'pr_created'),
  [
    'PullRequestOpened',
    { number: 1, url: 'local', title: 'Create a REST API', source: 'tm/wf_1/integration', target: 'main', head: 'f00' },
  ],
  to('pr_created', 'validation_running'),
  [
    'ValidationRecorded',
    {
      cycle: 1,
      passed: true,
      commit: 'abcdef0123456789',
      base: 'b',
      checks: [{ name: 'npm test', passed: true, durationMs: 1234, outputTail: '' }],
    },
  ],
  to('validation_running', 'validation_passed'),
  ['PullRequestMerged', { number: 1, commit: 'abcdef0123456789', target: 'main' }],
  to('validation_passed', 'merged'),
  ['WorkflowEnded', { outcome: 'completed', reason: 'merged', result: {}, leftovers: [] }],
);
