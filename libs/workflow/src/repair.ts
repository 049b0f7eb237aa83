import { addMs, type JsonObject, type PlannedStep, type StepId, type Timestamp, type WorkflowEvent } from '@taskmaster/contracts';
import { retryPolicyOf } from './recovery.js';
import type { LiveWorkflow } from './state.js';

const FINDINGS_TEXT_MAX = 4_000;

/** Adds a fix step with the failed validation's findings to the plan, or asks a person when the limit of fix cycles is reached. */
export function repairFacts(w: LiveWorkflow, now: Timestamp): readonly WorkflowEvent[] {
  const { maxFixCycles, escalationTimeoutMs } = w.request.options;
  if (w.cycle > maxFixCycles + w.extraCycles) {
    const escalationId = `fix-cycles-${String(w.cycle)}`;
    const reason = `validation still fails after ${String(w.cycle - 1)} fix cycles`;
    return [{ type: 'EscalationRaised', data: { escalationId, reason, deadlineAt: addMs(now, escalationTimeoutMs) } }];
  }
  return [{ type: 'PlanAmended', data: { reason: 'validation failed', added: [fixStep(w)] } }];
}

function fixStep(w: LiveWorkflow): PlannedStep {
  const findings = (w.validations.at(-1)?.failedChecks ?? [])
    .map((check) => `${check.name}:\n${check.outputTail}`)
    .join('\n\n')
    .slice(-FINDINGS_TEXT_MAX);
  const input: JsonObject = {
    title: `Repair the failed validation (cycle ${String(w.cycle)})`,
    instruction: `Repair: the merged result does not pass its validation. Find the cause in the findings below, fix it, and keep everything else as it is.\n\nFindings:\n${findings}`,
    acceptanceCriteria: ['Every validation command passes on the merged result'],
  };
  return {
    id: `fix-${String(w.cycle)}` as StepId,
    title: `Repair the failed validation (cycle ${String(w.cycle)})`,
    kind: 'agent.run',
    dependsOn: [],
    input,
    needs: { capabilities: ['debugging', 'testing'] },
    retry: retryPolicyOf(undefined),
    timeoutMs: 1_800_000,
    onFailure: 'fail',
  };
}
