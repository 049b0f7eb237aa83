import type { LiveEvent } from '@taskmaster/client';
import { durationText, harmless } from '../terminal.js';
import { NOTHING_CHECKED, planTree } from './render.js';
import type { Run } from './run.js';

/** What one event means to somebody who reads lines, one after another; undefined for what is not worth one. Only a plan takes several. */
export function narrate(run: Run, event: LiveEvent): string | undefined {
  const words = wordsFor(run, event);
  return words?.map(harmless).join('\n');
}

type Words = (run: Run, data: never) => string | readonly string[] | undefined;
const titleOf = (run: Run, data: { readonly stepId: string }): string => run.steps.get(data.stepId)?.title ?? data.stepId;

const WORDS: Readonly<Record<string, Words>> = {
  WorkflowRequested: (run) => `requested: ${run.title} (${run.profile})`,
  WorkflowTransitioned: (_run, data: { to: string; reason: string }) => `state: ${data.to} (${data.reason})`,
  WorkflowPaused: () => 'paused',
  WorkflowResumed: () => 'resumed',
  RequirementsParsed: (_run, data: { items: unknown[]; use: { provider: string } }) =>
    `understood: ${String(data.items.length)} item${data.items.length === 1 ? '' : 's'} by ${data.use.provider}`,
  PlanAdopted: (run, data: { steps: unknown[] }) => [
    `plan: ${String(data.steps.length)} step${data.steps.length === 1 ? '' : 's'}`,
    ...planTree(run),
  ],
  PlanAmended: (_run, data: { added: { title: string }[]; reason: string }) =>
    `plan amended (${data.reason}): ${data.added.map((step) => step.title).join(', ')}`,
  StepAssigned: (run, data: { stepId: string; assignment: { agentName: string; simulated: boolean; reason: string } }) =>
    `assigned: ${titleOf(run, data)} to ${data.assignment.agentName}${data.assignment.simulated ? ' (SIMULATED)' : ''}: ${data.assignment.reason}`,
  StepStarted: (run, data: { stepId: string; holder: string }) =>
    `started: ${titleOf(run, data)}${run.steps.get(data.stepId)?.kind === 'workflow.run' ? ` as workflow ${data.holder}` : ''}`,
  StepProgressed: (run, data: { stepId: string; message: string }) => `progress: ${titleOf(run, data)}: ${data.message}`,
  StepSucceeded: (run, data: { stepId: string; durationMs: number }) => `done: ${titleOf(run, data)} (${durationText(data.durationMs)})`,
  StepFailed: (run, data: { stepId: string; error: { type: string; message: string } }) =>
    `failed: ${titleOf(run, data)}: ${data.error.type}: ${data.error.message}`,
  StepRetryScheduled: (run, data: { stepId: string; strategy: string }) => `tries again: ${titleOf(run, data)} (${data.strategy})`,
  PullRequestOpened: (_run, data: { number: number; title: string; source: string; target: string }) =>
    `pull request #${String(data.number)}: ${data.title} (${data.source} into ${data.target})`,
  PullRequestMerged: (_run, data: { commit: string; target: string }) => `merged: ${data.commit} on ${data.target}`,
  PullRequestClosed: (_run, data: { reason: string }) => `pull request closed: ${data.reason}`,
  ValidationRecorded: (_run, data: { passed: boolean; checks: { name: string; passed: boolean }[] }) =>
    `validation ${data.passed ? 'passed' : 'failed'}: ${data.checks.map((check) => `${check.name} ${check.passed ? 'passed' : 'failed'}`).join(', ') || NOTHING_CHECKED}`,
  EscalationRaised: (_run, data: { reason: string }) => `waits for a person: ${data.reason}`,
  WorkflowCancellationRequested: (_run, data: { reason: string }) => `cancelling: ${data.reason}`,
  WorkflowEnded: (_run, data: { outcome: string; reason: string }) =>
    `ended: ${data.outcome}${data.reason === '' ? '' : ` (${data.reason})`}`,
};

function wordsFor(run: Run, event: LiveEvent): readonly string[] | undefined {
  const words = (Object.hasOwn(WORDS, event.type) ? WORDS[event.type] : undefined)?.(run, event.data as never);
  return typeof words === 'string' ? [words] : words;
}
