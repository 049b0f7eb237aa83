import type { AttemptRef, WorkflowId } from '@taskmaster/contracts';

export interface AgentStamp {
  readonly name: string;
  readonly simulated: boolean;
}

const line = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

/** Subject and trailers of the commit of one attempt: who did what for which step. */
export function attemptMessage(ref: AttemptRef, title: string, agent: AgentStamp): string {
  return [
    line(title).slice(0, 100) || `Step ${ref.stepId}`,
    '',
    ...(agent.simulated ? ['SIMULATED: made by the simulated agent; it does not implement the requirement.', ''] : []),
    `TaskMaster-Workflow: ${ref.workflowId}`,
    `TaskMaster-Step: ${ref.stepId}`,
    `TaskMaster-Attempt: ${String(ref.attempt)}`,
    `TaskMaster-Agent: ${line(agent.name)}`,
    ...(agent.simulated ? ['Simulated: true'] : []),
    '',
  ].join('\n');
}

/** The message of a merge candidate. Only this trailer marks a merge, so that a second delivery of it can be recognised. */
export function mergeMessage(workflowId: WorkflowId, cycle: number, title: string): string {
  return [
    `Merge: ${line(title).slice(0, 90)}`,
    '',
    `TaskMaster-Merge: ${workflowId}/${String(cycle)}`,
    `TaskMaster-Workflow: ${workflowId}`,
    '',
  ].join('\n');
}

export const MERGE_TRAILER = 'TaskMaster-Merge';
export const STEP_TRAILER = 'TaskMaster-Step';
export const WORKFLOW_TRAILER = 'TaskMaster-Workflow';
