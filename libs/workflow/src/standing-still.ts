import { profileOf } from './profiles/index.js';
import { isTerminal } from './profiles/profile.js';
import type { LiveWorkflow } from './state.js';

/** Whether it is on its way to its end: what is open then is not tried again. */
export const isLeaving = (w: LiveWorkflow): boolean => w.cancelling !== null || isTerminal(profileOf(w.request.profile), w.state);

/** Whether no attempt may begin now, because it is paused, waits for a person, or waits for a slot again. What leads to its end goes on all the same. */
export const standsStill = (w: LiveWorkflow): boolean =>
  (w.paused !== null || w.escalation !== null || w.slot === 'queued') && !isLeaving(w);
