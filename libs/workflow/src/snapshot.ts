import type { Workflow } from './state.js';
import { stepsCount } from './steps.js';

const EVENTS_MIN = 200;
/** A step has about two events, so a long workflow is written out whole about twice in its life. */
const EVENTS_PER_STEP = 1;

/** A snapshot holds every step, so a workflow of many steps has them less often: the cost of an event stays what it is in a short one. */
export const eventsPerSnapshot = (workflow: Workflow): number =>
  workflow.status === 'absent' ? EVENTS_MIN : Math.max(EVENTS_MIN, EVENTS_PER_STEP * stepsCount(workflow.steps));
