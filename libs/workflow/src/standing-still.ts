import { profileOf } from './profiles/index.js';
import { isTerminal } from './profiles/profile.js';
import type { LiveWorkflow } from './state.js';
import { openSteps } from './steps.js';

/** Whether it is on its way to its end: what is open then is not tried again. */
export const isLeaving = (w: LiveWorkflow): boolean => w.cancelling !== null || isTerminal(profileOf(w.request.profile), w.state);

/** Past its point of no return: it can neither be cancelled nor be late any more. */
export const isMerging = (w: LiveWorkflow): boolean =>
  w.pullRequest !== null && openSteps(w.steps).some((step) => step.spec.kind === 'change.merge' && step.situation.status === 'running');

/** Whether no attempt may begin now, because it is paused, waits for a person, or waits for a slot again. What leads to its end goes on all the same. */
export const standsStill = (w: LiveWorkflow): boolean =>
  (w.paused !== null || w.escalation !== null || w.slot === 'queued') && !isLeaving(w);
