import { invariant, type Timestamp, type WorkflowEvent } from '@taskmaster/contracts';
import type { Decision } from './decider.js';
import type { LiveWorkflow, Workflow } from './state.js';
import { evolve } from './workflow.js';

/** A decision in the making: each event is folded as it is recorded, so the next is decided on what is then true. */
export interface Draft {
  readonly now: Timestamp;
  readonly workflow: LiveWorkflow;
  readonly events: readonly WorkflowEvent[];
}

/** Records events in order. */
export function record(draft: Draft, ...events: readonly WorkflowEvent[]): Draft {
  let workflow: Workflow = draft.workflow;
  for (const event of events) workflow = evolve(workflow, { ...event, at: draft.now });
  invariant(workflow.status !== 'absent', 'recording never unmakes a workflow');
  return { now: draft.now, workflow, events: [...draft.events, ...events] };
}

/** Accepts what the draft came to. */
export const acceptDraft = ({ events, workflow }: Draft): Decision<WorkflowEvent> => ({ kind: 'accepted', events, after: workflow });
