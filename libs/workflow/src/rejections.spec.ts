import {
  PLAN_STEPS_MAX,
  REJECTION_CODES,
  REQUIREMENT_BYTES_MAX,
  WORKFLOW_DEPTH_MAX,
  type RejectionCode,
  type StepId,
  type WorkflowId,
} from '@taskmaster/contracts';
import { describe, expect, it } from '@jest/globals';
import { accessDecider } from './access.js';
import { agentDecider } from './agent.js';
import type { workflowDecider } from './decide.js';
import { agentStep, assignment, diamond, noopStep, options, planRequest, requirementRequest, story, type Story } from './story.fixture.js';

const cicd = (): Story => story().request(requirementRequest()).planned(agentStep('one'));
const running = (): Story => cicd().start('one', 1, assignment);
const ended = (): Story =>
  story()
    .request(planRequest({ steps: [noopStep('a')] }))
    .complete('a');

/** Every code the pure rules give, with the command that earns it; the others belong to the command handler. */
const NOES: Readonly<Partial<Record<RejectionCode, () => unknown>>> = {
  'workflow-not-found': () => story().when({ type: 'PauseWorkflow', data: { reason: '' } }),
  'workflow-already-exists': () => cicd().when({ type: 'RequestWorkflow', data: { request: requirementRequest() } }),
  'workflow-ended': () => ended().when({ type: 'CancelWorkflow', data: { reason: '' } }),
  'workflow-paused': () =>
    cicd()
      .must({ type: 'PauseWorkflow', data: { reason: '' } })
      .when({ type: 'PauseWorkflow', data: { reason: '' } }),
  'workflow-not-paused': () => cicd().when({ type: 'ResumeWorkflow', data: { reason: '' } }),
  'workflow-merging': () =>
    running()
      .complete('one')
      .landed(1)
      .validated(1, true)
      .start('tm-merge-1')
      .when({ type: 'CancelWorkflow', data: { reason: '' } }),
  'workflow-cancelling': () =>
    running()
      .must({ type: 'CancelWorkflow', data: { reason: '' } })
      .when({ type: 'PauseWorkflow', data: { reason: '' } }),
  'workflow-drives-itself': () => cicd().when({ type: 'TransitionWorkflow', data: { to: 'processing', reason: '', metadata: {} } }),
  'invalid-transition': () =>
    story()
      .request(planRequest(diamond, { options: { ...options, drive: 'manual' } }))
      .when({ type: 'TransitionWorkflow', data: { to: 'pending', reason: '', metadata: {} } }),
  'escalation-not-found': () => cicd().when({ type: 'ResolveEscalation', data: { escalationId: 'x', decision: 'retry', note: '' } }),
  'unsupported-source': () =>
    story().when({
      type: 'RequestWorkflow',
      data: { request: planRequest(diamond, { source: { kind: 'definition', name: 'pr_processing' } }) },
    }),
  'plan-empty': () => story().when({ type: 'RequestWorkflow', data: { request: planRequest({ steps: [] }) } }),
  'plan-too-many-steps': () =>
    story().when({
      type: 'RequestWorkflow',
      data: { request: planRequest({ steps: Array.from({ length: PLAN_STEPS_MAX + 1 }, (_, i) => noopStep(`s${String(i)}`)) }) },
    }),
  'plan-duplicate-step': () =>
    story().when({ type: 'RequestWorkflow', data: { request: planRequest({ steps: [noopStep('a'), noopStep('a')] }) } }),
  'plan-unknown-dependency': () =>
    story().when({ type: 'RequestWorkflow', data: { request: planRequest({ steps: [noopStep('a', 'ghost')] }) } }),
  'plan-cycle': () =>
    story().when({ type: 'RequestWorkflow', data: { request: planRequest({ steps: [noopStep('a', 'b'), noopStep('b', 'a')] }) } }),
  'workflow-too-deep': () => {
    const parent = { workflowId: 'wf_1' as WorkflowId, stepId: 'a' as StepId, attempt: 1, depth: WORKFLOW_DEPTH_MAX + 1 };
    return story().when({ type: 'RequestWorkflow', data: { request: planRequest({ steps: [noopStep('a')] }, { parent }) } });
  },
  'plan-invalid-step': () => story().when({ type: 'RequestWorkflow', data: { request: planRequest({ steps: [noopStep('tm-mine')] }) } }),
  'requirement-too-large': () =>
    story().when({
      type: 'RequestWorkflow',
      data: { request: requirementRequest({ source: { kind: 'requirement', text: 'é'.repeat(REQUIREMENT_BYTES_MAX / 2 + 1) } }) },
    }),
  'repository-required': () => story().when({ type: 'RequestWorkflow', data: { request: planRequest({ steps: [agentStep('a')] }) } }),
  'agent-not-found': () =>
    agentDecider.decide({ type: 'ReportAgentAvailability', data: { available: true, detail: '' } }, agentDecider.initial, context()),
  'api-key-not-found': () =>
    accessDecider.decide({ type: 'RevokeApiKey', data: { keyId: 'k', reason: '' } }, accessDecider.initial, context()),
  'api-key-already-issued': () => {
    const data = { keyId: 'k', name: 'n', role: 'admin', hash: 'h' } as const;
    const access = accessDecider.evolve(accessDecider.initial, { type: 'ApiKeyIssued', data, at: story().now });
    return accessDecider.decide({ type: 'IssueApiKey', data: { ...data, hash: 'other' } }, access, context());
  },
};
const context = (): Parameters<typeof workflowDecider.decide>[2] => ({
  now: story().now,
  stream: 'access-default' as never,
  tenantId: 'default' as never,
  slotFree: true,
});

const HANDLER_CODES: readonly RejectionCode[] = ['command-reused', 'malformed-command', 'tenant-mismatch', 'event-too-large'];

describe('rejections', () => {
  it.each(Object.entries(NOES))('says %s', (code, earn) => {
    expect(earn()).toMatchObject({ kind: 'rejected', code });
  });

  it('are all covered here or by the command handler', () => {
    expect([...Object.keys(NOES), ...HANDLER_CODES].sort()).toEqual([...REJECTION_CODES].sort());
  });
});
