import {
  addMs,
  assertNever,
  STEP_OUTPUT_BYTES_MAX,
  type StepError,
  type WorkflowEvent,
  type WorkflowSystemCommand,
} from '@taskmaster/contracts';
import { advance } from './advance.js';
import { factsOfOutput } from './completion.js';
import { noop, type Decision, type DecisionContext } from './decider.js';
import { acceptDraft, record, type Draft } from './draft.js';
import { readied } from './ready.js';
import { retryOf } from './recovery.js';
import { isLeaving, standsStill } from './standing-still.js';
import { assignmentOf, attemptOf, isChildRunning, type Step } from './step.js';
import type { LiveWorkflow } from './state.js';
import { stepOf } from './steps.js';

export type StepCommand = Extract<WorkflowSystemCommand, { readonly data: { readonly stepId: unknown } }>;
type Of<T extends StepCommand['type']> = Extract<StepCommand, { type: T }>['data'];
type Answer = Decision<WorkflowEvent>;

/** Kinds whose start must be durable before they are completed; the others go from ready to succeeded in one command. */
const STARTS_DURABLY = /^(agent\.|change\.|workflow\.)/;

/** Commands about one attempt of one step. A stale one is a `noop`, never an error. */
export function decideStep(command: StepCommand, w: LiveWorkflow, context: DecisionContext): Answer {
  const step = stepOf(w.steps, command.data.stepId);
  if (step === undefined) return noop('there is no such step');
  if (attemptOf(step) !== command.data.attempt) return noop('the attempt is no longer current');
  switch (command.type) {
    case 'StartStep':
      return start(command.data, { w, step }, context);
    case 'ReportProgress':
      return report(command.data, { w, step }, context);
    case 'CompleteStep':
      return complete(command.data, { w, step }, context);
    case 'FailStep':
      return fail(command.data, { w, step }, context);
    case 'RetryStep':
      return retry({ w, step }, context);
    case 'ExpireStep':
      return expire(command.data, { w, step }, context);
    default:
      return assertNever(command);
  }
}

interface At {
  readonly w: LiveWorkflow;
  readonly step: Step;
}

const draftOf = (w: LiveWorkflow, context: DecisionContext): Draft => ({ now: context.now, workflow: w, events: [] });

function start(data: Of<'StartStep'>, { w, step }: At, context: DecisionContext): Answer {
  const { situation } = step;
  if (situation.status === 'running')
    return situation.holder === data.holder ? { kind: 'duplicate' } : { kind: 'held', holder: situation.holder };
  if (situation.status !== 'ready') return noop(`the step is ${situation.status}`);
  if (standsStill(w)) return noop('the workflow stands still; going on readies the step again');
  if (context.agentFree === false) return { kind: 'later', detail: 'the agent is at its limit', retryAfterMs: 250 };
  const { stepId, attempt, holder, leaseMs, assignment } = data;
  const assigned: readonly WorkflowEvent[] =
    assignment === undefined ? [] : [{ type: 'StepAssigned', data: { stepId, attempt, assignment } }];
  const started: WorkflowEvent = {
    type: 'StepStarted',
    data: { stepId, attempt, holder, leaseMs, deadlineAt: addMs(context.now, step.spec.timeoutMs) },
  };
  return acceptDraft(advance(record(draftOf(w, context), ...assigned, started)));
}

function report(data: Of<'ReportProgress'>, { w, step }: At, context: DecisionContext): Answer {
  if (step.situation.status !== 'running') return noop('the step is not running');
  return acceptDraft(record(draftOf(w, context), { type: 'StepProgressed', data }));
}

/** Whether whoever reports may settle the attempt: its holder, or anybody for a short kind that nobody had to hold. */
function whyNotSettle(by: string, step: Step): string | undefined {
  const { situation } = step;
  if (situation.status === 'running') return situation.holder === by ? undefined : 'another holder has this attempt';
  if (situation.status !== 'ready') return `the step is ${situation.status}`;
  return STARTS_DURABLY.test(step.spec.kind) ? 'the attempt was never started' : undefined;
}

function complete(data: Of<'CompleteStep'>, at: At, context: DecisionContext): Answer {
  const { w, step } = at;
  const no = whyNotSettle(data.by, step);
  if (no !== undefined) return noop(no);
  if (JSON.stringify(data.output).length > STEP_OUTPUT_BYTES_MAX) {
    return settleFailed(
      data.by,
      { type: 'validation', message: `the output is larger than ${String(STEP_OUTPUT_BYTES_MAX)} bytes`, retryable: false },
      at,
      context,
    );
  }
  const facts = factsOfOutput(w, step, data.output);
  if (!facts.ok)
    return settleFailed(
      data.by,
      { type: 'internal', message: `the output cannot be believed: ${facts.error}`, retryable: true },
      at,
      context,
    );
  const succeeded = record(draftOf(w, context), { type: 'StepSucceeded', data }, ...facts.value);
  return acceptDraft(advance(succeeded));
}

function fail(data: Of<'FailStep'>, at: At, context: DecisionContext): Answer {
  const { situation, spec } = at.step;
  if (situation.status === 'ready' && STARTS_DURABLY.test(spec.kind)) return settleFailed(data.by, data.error, at, context);
  const no = whyNotSettle(data.by, at.step);
  return no === undefined ? settleFailed(data.by, data.error, at, context) : noop(no);
}

/** Records a failure and what its policy makes of it: another attempt, now or later, or the end of the step. */
function settleFailed(by: string, error: StepError, { w, step }: At, context: DecisionContext): Answer {
  const attempt = attemptOf(step);
  const stepId = step.spec.id;
  if (isChildRunning(step) && isLeaving(w)) {
    const reason = w.cancelling ?? w.reason;
    return acceptDraft(advance(record(draftOf(w, context), { type: 'StepCancelled', data: { stepId, attempt, reason } })));
  }
  const failed = record(draftOf(w, context), { type: 'StepFailed', data: { stepId, attempt, by, error } });
  const after = stepOf(failed.workflow.steps, stepId) ?? step;
  const agentId = assignmentOf(step)?.agentId;
  const again = retryOf(
    {
      policy: step.spec.retry,
      error,
      attempt,
      lost: after.lost,
      excludedAgents: step.excludedAgents,
      key: stepId,
      ...(agentId === undefined ? {} : { agentId }),
    },
    context.now,
  );
  if (again === undefined) return acceptDraft(advance(failed));
  const { retryAt, strategy, excludedAgents } = again;
  const scheduled = record(failed, {
    type: 'StepRetryScheduled',
    data: { stepId, attempt: attempt + 1, retryAt, strategy, excludedAgents },
  });
  const due = retryAt <= context.now && !standsStill(w);
  return acceptDraft(advance(due ? record(scheduled, readied(after, attempt + 1, context.now)) : scheduled));
}

function retry({ w, step }: At, context: DecisionContext): Answer {
  const { situation } = step;
  if (situation.status !== 'retrying') return noop(`the step is ${situation.status}`);
  if (standsStill(w)) return noop('the workflow stands still');
  if (situation.retryAt > context.now) return { kind: 'later', detail: 'the retry is not due yet', retryAfterMs: 500 };
  return acceptDraft(advance(record(draftOf(w, context), readied(step, situation.attempt, context.now))));
}

/** The lease is a row's business, so the sweep says what it saw; the deadline is the rules' own. */
function expire(data: Of<'ExpireStep'>, at: At, context: DecisionContext): Answer {
  const { situation, spec } = at.step;
  if (situation.status !== 'running') return noop(`the step is ${situation.status}`);
  if (isChildRunning(at.step)) return noop('a child workflow ends by itself, or is cancelled');
  if (situation.deadlineAt <= context.now) {
    return settleFailed(
      'deadline',
      { type: 'timeout', message: `the attempt took longer than ${String(spec.timeoutMs)} ms`, retryable: true },
      at,
      context,
    );
  }
  if (data.leaseExpiresAt === undefined || data.leaseExpiresAt > context.now) return noop('neither lease nor deadline has passed');
  return settleFailed(
    'lease',
    { type: 'internal', message: `its holder ${situation.holder} was lost`, retryable: true, lost: true },
    at,
    context,
  );
}
