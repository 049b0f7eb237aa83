import type { Timestamp, WorkflowMetrics } from '@taskmaster/contracts';
import type { Profile } from './profiles/profile.js';
import { profileOf } from './profiles/index.js';
import type { LiveWorkflow } from './state.js';

const PLANNED_SHARE = 10;
const EXECUTED_SHARE = 70;

/** Step-weighted, 0–100: a tenth for the plan, seven tenths for its steps, the rest for landing, validating and merging. */
export function progressOf(w: LiveWorkflow): number {
  const profile = profileOf(w.request.profile);
  if (profile.terminal[w.state] === 'completed') return 100;
  if (w.plan === null) return w.requirements === null ? 0 : PLANNED_SHARE / 2;
  const { settled } = w.steps;
  const executed = PLANNED_SHARE + Math.floor((EXECUTED_SHARE * settled) / w.plan.stepIds.length);
  if (settled < w.plan.stepIds.length) return executed;
  return executed + (w.pullRequest === null ? 0 : 5) + (w.validations.at(-1)?.passed === true ? 10 : 0);
}

/** S3's formula: floor(100 · (index + 1) / count), so `in_progress` of squad is 62 and `pending` is 12 (R357). */
export function progressPercentage(profile: Profile, state: string): number {
  const index = profile.progressOrder.indexOf(state);
  return Math.floor((100 * (index + 1)) / profile.progressOrder.length);
}

/** S3's metrics of a history, floors as in its example: 3600 s over 7 transitions gives 514 (R358). Times in seconds. */
export function metricsOf(
  history: readonly { readonly state: string; readonly timestamp: Timestamp }[],
  now: Timestamp,
  ended: boolean,
): WorkflowMetrics {
  const time: Record<string, number> = {};
  const last = history.at(-1);
  const first = history[0];
  if (first === undefined || last === undefined) {
    return { total_transitions: 0, time_in_each_state_seconds: {}, total_duration_seconds: 0, average_time_per_state_seconds: 0 };
  }
  const until = ended ? last.timestamp : now;
  history.forEach((entry, i) => {
    const leftAt = history[i + 1]?.timestamp ?? until;
    time[entry.state] = (time[entry.state] ?? 0) + (Date.parse(leftAt) - Date.parse(entry.timestamp)) / 1000;
  });
  const transitions = history.length - 1;
  const total = Math.floor((Date.parse(until) - Date.parse(first.timestamp)) / 1000);
  return {
    total_transitions: transitions,
    time_in_each_state_seconds: Object.fromEntries(Object.entries(time).map(([state, seconds]) => [state, Math.floor(seconds)])),
    total_duration_seconds: total,
    average_time_per_state_seconds: transitions === 0 ? 0 : Math.floor(total / transitions),
  };
}
