import { addMs, STEP_ATTEMPTS_MAX, type Timestamp, type WorkflowEvent } from '@taskmaster/contracts';
import { BLOCKED, isValidTransition } from './profiles/profile.js';
import { profileOf } from './profiles/index.js';
import { strategyOf } from './recovery.js';
import { attemptOf, type Step } from './step.js';
import type { LiveWorkflow } from './state.js';
import { stepOf } from './steps.js';

/** Whether a person may be asked about a failed step: its policy says so, and there is an attempt left that the answer could allow. */
export const mayAsk = ({ spec, situation }: Step): boolean =>
  (spec.onFailure === 'escalate' || spec.onFailure === 'block') && situation.status === 'failed' && situation.attempt < STEP_ATTEMPTS_MAX;

/** Asks a person about a failed step. A blocked workflow waits in its profile's blocked state, where an edge leads there and back. */
export function escalationFacts(w: LiveWorkflow, { spec, situation }: Step, now: Timestamp): readonly WorkflowEvent[] {
  if (situation.status !== 'failed') return [];
  const reason = `${spec.title}: ${situation.error.message}`;
  const asked = {
    escalationId: `step-${spec.id}-${String(situation.attempt)}`,
    reason,
    deadlineAt: addMs(now, w.request.options.escalationTimeoutMs),
    stepId: spec.id,
  };
  if (spec.onFailure !== 'block' || !leadsToBlockedAndBack(w)) return [{ type: 'EscalationRaised', data: asked }];
  return [
    { type: 'EscalationRaised', data: { ...asked, returnTo: w.state } },
    { type: 'WorkflowTransitioned', data: { from: w.state, to: BLOCKED, reason, metadata: {} } },
  ];
}

function leadsToBlockedAndBack(w: LiveWorkflow): boolean {
  const profile = profileOf(w.request.profile);
  const { strict } = w.request.options;
  const edges = [
    { from: w.state, to: BLOCKED },
    { from: BLOCKED, to: w.state },
  ];
  return edges.every((edge) => isValidTransition(profile, edge, strict));
}

/** What a person's `retry` leads to: back to where the workflow was, and one attempt more for the step that was asked about. */
export function retryFacts(w: LiveWorkflow, now: Timestamp): readonly WorkflowEvent[] {
  const { stepId, returnTo } = w.escalation ?? {};
  const back: readonly WorkflowEvent[] =
    returnTo === undefined
      ? []
      : [{ type: 'WorkflowTransitioned', data: { from: w.state, to: returnTo, reason: 'a person said retry', metadata: {} } }];
  const step = stepId === undefined ? undefined : stepOf(w.steps, stepId);
  if (step?.situation.status !== 'failed') return back;
  const { spec, situation, excludedAgents } = step;
  const again = { stepId: spec.id, attempt: attemptOf(step) + 1, retryAt: now, strategy: strategyOf(situation.error.type), excludedAgents };
  return [...back, { type: 'StepRetryScheduled', data: again }];
}
