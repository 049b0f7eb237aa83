import {
  addMs,
  isAnsweredOutside,
  type JsonObject,
  type StepId,
  type StepKind,
  type Timestamp,
  type WorkflowEvent,
} from '@taskmaster/contracts';
import { attemptOf, isUnforgiven, type Step } from './step.js';
import { openSteps, startableSteps, stepOf } from './steps.js';
import type { LiveWorkflow } from './state.js';

/** How long a notice may go unanswered before the sweep sends it again. */
export const REDRIVE_AFTER_MS = 5_000;

/** The event that puts a step's next attempt on its way. */
export function readied(step: Step, attempt: number, now: Timestamp): WorkflowEvent {
  const { id, kind, input } = step.spec;
  return { type: 'StepReadied', data: { stepId: id, attempt, kind, input, dueAt: dueAt(kind, step.spec.timeoutMs, now) } };
}

/** The event that puts a stage's own step on its way for the first time. */
export const stageReadied = (id: string, kind: StepKind, input: JsonObject, now: Timestamp): WorkflowEvent => ({
  type: 'StepReadied',
  data: { stepId: id as StepId, attempt: 1, kind, input, dueAt: dueAt(kind, REDRIVE_AFTER_MS, now) },
});

/** Work that a service does is re-driven; what is answered from outside has its own deadline. */
const dueAt = (kind: StepKind, timeoutMs: number, now: Timestamp): Timestamp =>
  addMs(now, isAnsweredOutside(kind) ? timeoutMs : REDRIVE_AFTER_MS);

/** The plan's steps that may start now, in plan order, within the workflow's own limit of concurrent steps. */
export const unblockedSteps = (w: LiveWorkflow): readonly Step[] =>
  w.plan === null ? [] : startableSteps(w.steps, w.request.options.maxConcurrentSteps - w.steps.active);

export const readiedUnblocked = (w: LiveWorkflow, now: Timestamp): readonly WorkflowEvent[] =>
  unblockedSteps(w).map((step) => readied(step, attemptOf(step) + 1, now));

/** Steps readied before the last resume: their notices may have been dropped while the workflow was paused. */
export const readiedAgain = (w: LiveWorkflow, now: Timestamp): readonly WorkflowEvent[] =>
  w.resumedVersion === 0
    ? []
    : openSteps(w.steps).flatMap((step) =>
        step.situation.status === 'ready' && step.situation.readyVersion < w.resumedVersion
          ? [readied(step, step.situation.attempt, now)]
          : [],
      );

export const planIsSettled = (w: LiveWorkflow): boolean => w.plan !== null && w.steps.settled === w.plan.stepIds.length;

/** The steps of the plan whose failure their policy does not forgive, in plan order. */
export const unforgivenSteps = (w: LiveWorkflow): readonly Step[] =>
  w.steps.unforgiven === 0 ? [] : (w.plan?.stepIds ?? []).flatMap((id) => stepOf(w.steps, id) ?? []).filter(isUnforgiven);
