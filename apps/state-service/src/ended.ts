import { idOf, type EndedWorkflow, type StreamId, type WorkflowId } from '@taskmaster/contracts';
import { viewOfWorkflow, type Workflow } from '@taskmaster/workflow';
import type { Commit } from './handle-command.js';

/** The workflows that a commit ended, each as whoever waits for it wants to see it: so nobody has to ask. */
export function endedAmong({ events, after }: Commit): readonly EndedWorkflow[] {
  const ended: EndedWorkflow[] = [];
  for (const { type, stream, tenantId } of events) {
    if (type !== 'WorkflowEnded') continue;
    const view = viewOf(stream, after.get(stream)?.state as Workflow | undefined);
    ended.push(view === undefined ? { stream, tenantId } : { stream, tenantId, view });
  }
  return ended;
}

function viewOf(stream: StreamId, state: Workflow | undefined): EndedWorkflow['view'] {
  // A requirement that was set aside would have to be read first.
  if (state?.status !== 'ended' || (state.request.source.kind === 'requirement' && state.request.source.contentHash !== undefined))
    return undefined;
  return viewOfWorkflow(idOf(stream) as WorkflowId, state);
}
