import { PLAN_PART_BYTES_MAX, utf8Bytes, type PlannedStep, type WorkflowEvent } from '@taskmaster/contracts';
import type { Plan } from './plan.js';

/** The events that adopt a plan: one, or for a plan that does not fit into an event its parts, which belong into one commit. */
export function planAdopted(adopted: Plan, source: 'given' | 'decomposed'): readonly WorkflowEvent[] {
  const { steps, waves, criticalPath } = adopted;
  const parts = partsOf(steps);
  if (parts.length <= 1) return [{ type: 'PlanAdopted', data: { source, steps, waves, criticalPath } }];
  return parts.map((part, i) => ({
    type: 'PlanAdopted',
    data: { source, steps: part, waves: [], criticalPath: [], part: { number: i + 1, of: parts.length } },
  }));
}

/** As many steps to a part as fit; a step is smaller than a part. */
function partsOf(steps: readonly PlannedStep[]): readonly (readonly PlannedStep[])[] {
  const parts: PlannedStep[][] = [];
  let free = 0;
  for (const step of steps) {
    const bytes = utf8Bytes(JSON.stringify(step));
    const part = parts.at(-1);
    if (part === undefined || bytes > free) {
      parts.push([step]);
      free = PLAN_PART_BYTES_MAX - bytes;
    } else {
      part.push(step);
      free -= bytes;
    }
  }
  return parts;
}
