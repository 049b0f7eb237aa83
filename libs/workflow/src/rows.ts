import type {
  AgentId,
  AgentProfile,
  ApiKeyView,
  Priority,
  ProfileName,
  StepId,
  StepKind,
  StepStatus,
  Timestamp,
  WorkflowOutcome,
  WorkflowPhase,
  WorkflowStatus,
} from '@taskmaster/contracts';
import type { Access } from './access.js';
import type { Agent } from './agent.js';
import { BLOCKED, stateOf } from './profiles/profile.js';
import { profileOf } from './profiles/index.js';
import { progressPercentage } from './progress.js';
import { isLeaving, isMerging, standsStill } from './standing-still.js';
import { assignmentOf, attemptOf, type Step } from './step.js';
import type { LiveWorkflow, Workflow } from './state.js';
import { changedSteps, NO_STEPS } from './steps.js';

/** A workflow's read model row: a pure function of its folded state, so a fold proves the row. */
export interface WorkflowRow {
  readonly version: number;
  readonly title: string;
  readonly profile: ProfileName;
  readonly state: string;
  readonly status: WorkflowStatus;
  readonly phase: WorkflowPhase;
  readonly priority: Priority;
  readonly progress: number;
  readonly progressPercentage: number;
  readonly requestedAt: Timestamp;
  /** Set while it waits for a slot; since when. */
  readonly queuedAt: Timestamp | null;
  readonly endedAt: Timestamp | null;
  readonly outcome: WorkflowOutcome | null;
  readonly reason: string;
  /** Its nearest deadline; null while none counts. */
  readonly dueAt: Timestamp | null;
}

/** A step's read model row. `dueAt` is its timer: re-drive, lease or deadline, or retry, whichever its status means. */
export interface StepRow {
  readonly stepId: StepId;
  readonly kind: StepKind;
  readonly status: StepStatus;
  readonly attempt: number;
  /** Version of the event that readied the current attempt; 0 before. */
  readonly readyVersion: number;
  readonly holder: string | null;
  readonly agentId: AgentId | null;
  readonly leaseMs: number | null;
  readonly deadlineAt: Timestamp | null;
  readonly dueAt: Timestamp | null;
}

/** The computed axis over every profile (C1). */
export function statusOf(w: LiveWorkflow): WorkflowStatus {
  if (w.ended !== null) return w.ended.outcome;
  if (w.paused !== null) return 'paused';
  if (w.state === BLOCKED) return 'blocked';
  if (w.escalation !== null) return 'waiting';
  return w.slot === 'held' ? 'running' : 'pending';
}

export const phaseOf = (w: LiveWorkflow): WorkflowPhase => stateOf(profileOf(w.request.profile), w.state)?.phase ?? 'queue';

/** BLOCKED and FAILED keep the percentage of the state they came from (C17). */
function percentageOf(w: LiveWorkflow): number {
  const profile = profileOf(w.request.profile);
  return profile.progressOrder.includes(w.state) ? progressPercentage(profile, w.state) : w.progress;
}

export function workflowRow(workflow: Workflow): WorkflowRow | undefined {
  if (workflow.status === 'absent') return undefined;
  const w = workflow;
  return {
    version: w.version,
    title: w.request.title,
    profile: w.request.profile,
    state: w.state,
    status: statusOf(w),
    phase: phaseOf(w),
    priority: w.request.priority,
    progress: w.progress,
    progressPercentage: percentageOf(w),
    requestedAt: w.requestedAt,
    queuedAt: w.slot === 'queued' && w.request.parent === undefined ? w.queuedAt : null,
    endedAt: w.ended?.at ?? null,
    outcome: w.ended?.outcome ?? null,
    reason: w.reason,
    dueAt: workflowDueAt(w),
  };
}

/** None counts for whoever is on the way to the end or merging: what is open then has deadlines of its own. */
function workflowDueAt(w: LiveWorkflow): Timestamp | null {
  if (w.ended !== null || w.paused !== null || isLeaving(w) || isMerging(w)) return null;
  if (w.escalation === null) return w.deadlineAt;
  return w.escalation.deadlineAt < w.deadlineAt ? w.escalation.deadlineAt : w.deadlineAt;
}

function stepRow(step: Step, still: boolean): StepRow {
  const { situation, spec } = step;
  return {
    stepId: spec.id,
    kind: spec.kind,
    status: situation.status,
    attempt: attemptOf(step),
    readyVersion: situation.status === 'ready' ? situation.readyVersion : 0,
    agentId: assignmentOf(step)?.agentId ?? null,
    dueAt: stepDueAt(step, still),
    ...heldBy(step),
  };
}

function heldBy({ situation }: Step): Pick<StepRow, 'holder' | 'leaseMs' | 'deadlineAt'> {
  if (situation.status !== 'running') return { holder: null, leaseMs: null, deadlineAt: null };
  const { holder, leaseMs, deadlineAt } = situation;
  return { holder, leaseMs, deadlineAt };
}

/** Retry and re-drive timers stand still with the workflow; running attempts keep their own deadlines. */
function stepDueAt({ situation }: Step, still: boolean): Timestamp | null {
  switch (situation.status) {
    case 'ready':
      return still ? null : situation.dueAt;
    case 'retrying':
      return still ? null : situation.retryAt;
    case 'running':
      return new Date(
        Math.min(Date.parse(situation.startedAt) + situation.leaseMs, Date.parse(situation.deadlineAt)),
      ).toISOString() as Timestamp;
    default:
      return null;
  }
}

/** The rows of the steps that changed between two states; all of them when `before` is absent or their timers stopped or went on. */
export function stepRows(before: Workflow, after: Workflow): readonly StepRow[] {
  if (after.status === 'absent') return [];
  const still = standsStill(after);
  const known = before.status === 'absent' || standsStill(before) !== still ? NO_STEPS : before.steps;
  return changedSteps(known, after.steps)
    .filter(({ is }) => is.situation.status !== 'pending')
    .map(({ is }) => stepRow(is, still));
}

export interface AgentRow {
  readonly version: number;
  readonly profile: AgentProfile;
  readonly available: boolean;
  readonly detail: string;
}

export const agentRow = (agent: Agent): AgentRow | undefined =>
  agent.status === 'absent'
    ? undefined
    : { version: agent.version, profile: agent.profile, available: agent.available, detail: agent.detail };

/** The keys that may be used now. */
export const apiKeyRows = (
  access: Access,
): readonly (Omit<ApiKeyView, 'tenantId'> & { readonly hash: string; readonly revoked: boolean })[] =>
  Object.values(access.keys).map(({ keyId, name, role, hash, revoked }) => ({ keyId, name, role, hash, revoked }));
