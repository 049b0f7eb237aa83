import type { AgentId } from '@taskmaster/contracts';
import { assignmentOf, type Step } from './step.js';
import type { Workflow } from './state.js';
import { changedSteps, NO_STEPS } from './steps.js';

/** What a commit asks of a quota row; the append function applies it conditionally (design 5). */
export interface QuotaChange {
  readonly scope: 'tenant' | 'agent';
  readonly agentId?: AgentId;
  /** `claim`: take a free place unless somebody waits · `claim-queued`: take one after waiting · `queue`, `unqueue`: begin, stop waiting · `release`: give it back. */
  readonly kind: 'claim' | 'claim-queued' | 'queue' | 'unqueue' | 'release';
}

/** The quota changes between two states of a workflow: its tenant's slot, and a place at an agent for each attempt it runs (I9). */
export function quotaChanges(before: Workflow, after: Workflow): readonly QuotaChange[] {
  if (after.status === 'absent') return [];
  // A child runs in the slot of its root.
  const changes = after.request.parent === undefined ? slotChanges(before.status === 'absent' ? 'none' : before.slot, after.slot) : [];
  for (const { was, is: step } of changedSteps(before.status === 'absent' ? NO_STEPS : before.steps, after.steps)) {
    const held = was === undefined ? undefined : heldAgent(was);
    const holds = heldAgent(step);
    if (held === holds) continue;
    if (held !== undefined) changes.push({ scope: 'agent', agentId: held, kind: 'release' });
    if (holds !== undefined) changes.push({ scope: 'agent', agentId: holds, kind: 'claim' });
  }
  return changes;
}

const heldAgent = (step: Step): AgentId | undefined => (step.situation.status === 'running' ? assignmentOf(step)?.agentId : undefined);

type SlotState = 'none' | 'queued' | 'held';

function slotChanges(before: SlotState, after: SlotState): QuotaChange[] {
  if (before === after) return [];
  const leave: QuotaChange[] = before === 'held' ? [{ scope: 'tenant', kind: 'release' }] : [];
  if (after === 'held') return [{ scope: 'tenant', kind: before === 'queued' ? 'claim-queued' : 'claim' }];
  if (after === 'queued') return [...leave, { scope: 'tenant', kind: 'queue' }];
  return before === 'queued' ? [{ scope: 'tenant', kind: 'unqueue' }] : leave;
}
