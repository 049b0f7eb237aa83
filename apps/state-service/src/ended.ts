import { idOf, type EndedWorkflow, type WorkflowId } from '@taskmaster/contracts';
import { viewOfWorkflow, type Workflow } from '@taskmaster/workflow';
import type { CommittedEvent } from './handle-command.js';
import type { StreamLoader } from './stream-loader.js';

/** The workflows that a commit ended, each as whoever waits for it wants to see it: so nobody has to ask. */
export function endedAmong(events: readonly CommittedEvent[], loader: StreamLoader): readonly EndedWorkflow[] {
  const ended: EndedWorkflow[] = [];
  for (const { type, stream, tenantId } of events) {
    if (type !== 'WorkflowEnded') continue;
    const view = viewFromMemory(stream, loader);
    ended.push(view === undefined ? { stream, tenantId } : { stream, tenantId, view });
  }
  return ended;
}

function viewFromMemory(stream: CommittedEvent['stream'], loader: StreamLoader): EndedWorkflow['view'] {
  const state = loader.cached(stream)?.state as Workflow | undefined;
  // A requirement that was set aside would have to be read first.
  if (state?.status !== 'ended' || (state.request.source.kind === 'requirement' && state.request.source.contentHash !== undefined))
    return undefined;
  return viewOfWorkflow(idOf(stream) as WorkflowId, state);
}
