import { addMs, type JsonObject, type Notice, type NoticeOutcome, type StepContext } from '@taskmaster/contracts';
import { removeBranches } from './change/branches.js';
import { discard, land, validate, type ChangeResult, type ChangeTask } from './change/change.js';
import { merge } from './change/merge.js';
import { ANSWERED, contextOf, failedWith, settle, startAndHold, type Coordinator, type Ending } from './coordinator.js';
import type { Held } from './held-attempts.js';
import type { ProcessMark } from './processes.js';
import { refOf, workOf } from './steps.js';
import type { Session } from './workspace/sessions.js';

const BODY_CHARS_MAX = 8000;

/** Lands, validates, merges or discards a workflow's change. Each of them finds what an earlier attempt did, so a restart runs it again. */
export async function reactToChangeStep(c: Coordinator, notice: Notice): Promise<NoticeOutcome> {
  const work = workOf(notice);
  const context = await contextOf(c, work);
  if (!context) return ANSWERED;
  return startAndHold(c, work, (held) => runChangeStep(c, held, context));
}

export async function runChangeStep(c: Coordinator, held: Held, context: StepContext): Promise<void> {
  const ref = refOf(held.work);
  const startedAt = c.now();
  const session: Session = {
    work: workOf(held.work),
    startedAt,
    deadlineAt: addMs(startedAt, context.step.timeoutMs),
    title: context.step.title,
    ...(context.repository === undefined ? {} : { repository: context.repository }),
  };
  let isOver = false;
  const settled = await settle(c, held, async () => {
    await c.sessions.write(session);
    held.recorded();
    const ending = await doChange(c, held, context, session);
    isOver = ending.kind === 'completed' && (ending.output['merged'] === true || ending.output['alreadyThere'] === true);
    return ending;
  });
  if (!settled) return;
  if (isOver) await tidy(c, context);
  await c.sessions.remove(ref);
}

async function doChange(c: Coordinator, held: Held, context: StepContext, session: Session): Promise<Ending> {
  const { step, repository, workflowId } = context;
  if (step.kind === 'change.discard') {
    await c.held.stopWorkflow(workflowId, refOf(held.work));
    const leftovers = repository
      ? (await discard(c.desk, repository, workflowId)).leftovers
      : await c.desk.workspaces.removeFolder(workflowId);
    return { kind: 'completed', output: { leftovers: leftovers.slice(0, 100) } };
  }
  if (!repository) return failedWith('validation', 'the workflow has no repository', { retryable: false });
  const task: ChangeTask = {
    ref: refOf(held.work),
    repository,
    title: context.title,
    body: bodyOf(context),
    cycle: cycleOf(step.input),
    validation: context.options.validation,
  };
  const watch = {
    signal: held.signal,
    onSpawn: (mark: ProcessMark) => void c.sessions.write({ ...session, process: mark }).catch(() => undefined),
  };
  switch (step.kind) {
    case 'change.land':
      return endingOf(held, await land(c.desk, task));
    case 'change.validate':
      return endingOf(held, await validate(c.desk, task, watch));
    case 'change.merge':
      return endingOf(held, await mergeStep(c, context, task, watch));
    default:
      return failedWith('internal', `${step.kind} is not a step about a change`, { retryable: false });
  }
}

async function mergeStep(
  c: Coordinator,
  context: StepContext,
  task: ChangeTask,
  watch: Parameters<typeof merge>[2],
): ReturnType<typeof merge> {
  const { commit, base } = context.step.input;
  const number = context.pullRequest?.number;
  if (typeof commit !== 'string' || typeof base !== 'string' || number === undefined) {
    return {
      kind: 'failed',
      error: { type: 'validation', message: 'the merge names no validated commit or has no pull request', retryable: false },
    };
  }
  return merge(c.desk, { ...task, commit, base, number }, watch);
}

function endingOf(held: Held, result: ChangeResult<object>): Ending {
  if (result.kind === 'done') return { kind: 'completed', output: JSON.parse(JSON.stringify(result.output)) as JsonObject };
  if (!held.signal.aborted) return { kind: 'failed', error: result.error };
  return held.reason() === 'drained'
    ? failedWith('internal', 'its coordinator was stopped', { lost: true, retryAfterMs: 0 })
    : { kind: 'stopped' };
}

const cycleOf = (input: JsonObject): number => (typeof input['cycle'] === 'number' ? input['cycle'] : 1);

function bodyOf(context: StepContext): string {
  return [`Delivered by TaskMaster, workflow ${context.workflowId}.`, '', context.requirement ?? '']
    .join('\n')
    .trim()
    .slice(0, BODY_CHARS_MAX);
}

/** Once the target holds the change, the workflow's branches and folder are of no use. What cannot be removed now does no harm. */
async function tidy(c: Coordinator, { repository, workflowId }: StepContext): Promise<void> {
  if (!repository) return;
  const mirror = await c.desk.mirrors.of(repository);
  await removeBranches(c.desk, mirror, workflowId).catch(() => undefined);
  await c.desk.workspaces.removeFolder(workflowId);
}
