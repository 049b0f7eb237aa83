import type { ValidationCheck } from '@taskmaster/contracts';
import type { Mirror, RemoteView } from '../workspace/mirrors.js';
import { push, PushContention } from '../workspace/push.js';
import { MERGE_TRAILER } from '../workspace/trailers.js';
import { buildCandidate } from './candidate.js';
import {
  checkCommit,
  validateView,
  type ChangeDesk,
  type ChangeResult,
  type ChangeTask,
  type ValidateOutput,
  type ViewedChange,
  type Watch,
} from './change.js';

/** Times a target may move under us before the attempt gives up. */
export const MERGE_TRIES_MAX = 10;

/** `checks` and `base` are there when something else than the candidate of the validation step was merged: they are its validation. */
export type MergeOutput =
  | {
      readonly merged: true;
      readonly commit: string;
      readonly number: number;
      readonly target: string;
      readonly base?: string;
      readonly checks?: readonly ValidationCheck[];
    }
  | {
      readonly merged: false;
      readonly reason: 'validation-failed' | 'conflict';
      readonly base: string;
      readonly commit: string;
      readonly checks: readonly ValidationCheck[];
    };

export interface MergeTask extends ChangeTask {
  /** The candidate that passed validation, and the target head it was made on. */
  readonly commit: string;
  readonly base: string;
  readonly number: number;
}

/** Puts the validated commit on the target by compare-and-set. Serial per target branch here; compare-and-set keeps it so across machines. */
export async function merge(desk: ChangeDesk, task: MergeTask, watch: Watch = {}): Promise<ChangeResult<MergeOutput>> {
  const mirror = await desk.mirrors.of(task.repository);
  return desk.lanes.run(`merge ${mirror.gitDir} ${mirror.target}`, () => mergeInTurn(desk, task, { mirror, watch }));
}

async function mergeInTurn(desk: ChangeDesk, task: MergeTask, at: { mirror: Mirror; watch: Watch }): Promise<ChangeResult<MergeOutput>> {
  const { mirror } = at;
  let proven: Proven = { commit: task.commit, base: task.base };
  for (let tries = 0; tries < MERGE_TRIES_MAX; tries += 1) {
    const view = await desk.mirrors.look(mirror, task.ref.workflowId);
    const before = await alreadyMerged(desk, task, { mirror, view });
    if (before !== undefined) return reportAgain(desk, task, { mirror, view, watch: at.watch, commit: before });
    if (!(await stillProven(desk, task, { mirror, view, proven }))) {
      const again = await validateView(desk, task, { ...at, view });
      if (again.kind === 'failed') return again;
      if (!again.output.passed) return { kind: 'done', output: refusalOf(again.output) };
      proven = again.output;
    }
    const pushed = await push(desk.git, mirror.gitDir, mirror.url, [
      { ref: `refs/heads/${mirror.target}`, from: view.target.commit, to: proven.commit },
    ]);
    if (pushed.kind === 'pushed') return verify(desk, task, { mirror, proven });
    if (pushed.kind === 'refused')
      return mergeThere(desk, task, { mirror, proven, reason: pushed.reason, head: view.integration?.commit ?? '' });
  }
  throw new PushContention('the target branch kept moving');
}

/** A commit that passed validation, on the target head it was made for; with its checks when that was here. */
interface Proven {
  readonly commit: string;
  readonly base: string;
  readonly checks?: readonly ValidationCheck[];
}

/** Whether both sides are where they were when the candidate passed. Where its objects are missing it is built again, with the same id. */
async function stillProven(desk: ChangeDesk, task: MergeTask, at: { mirror: Mirror; view: RemoteView; proven: Proven }): Promise<boolean> {
  const { target, integration } = at.view;
  if (!integration || target.commit !== at.proven.base) return false;
  const merged = await desk.git.try(['rev-parse', '--verify', '--quiet', `${at.proven.commit}^2`], { gitDir: at.mirror.gitDir });
  if (merged.exitCode === 0) return merged.stdout.trim() === integration.commit;
  const again = await buildCandidate(desk.git, at.mirror, {
    workflowId: task.ref.workflowId,
    cycle: task.cycle,
    title: task.title,
    target,
    integration,
  });
  return again.kind === 'candidate' && again.commit === at.proven.commit;
}

function refusalOf(output: ValidateOutput): MergeOutput {
  const reason = output.checks[0]?.name === 'merge' ? 'conflict' : 'validation-failed';
  return { merged: false, reason, base: output.base, commit: output.commit, checks: output.checks };
}

interface Merged {
  readonly mirror: Mirror;
  readonly proven: Proven;
}

async function finish(desk: ChangeDesk, task: MergeTask, { mirror, proven }: Merged): Promise<ChangeResult<MergeOutput>> {
  const { commit, base, checks } = proven;
  await desk.forgeOf(task.repository).recordMerged(mirror, task.ref.workflowId, { number: task.number, commit });
  return {
    kind: 'done',
    output: { merged: true, commit, number: task.number, target: mirror.target, ...(checks === undefined ? {} : { base, checks }) },
  };
}

/** Looks at the target once more: what a server answered is not yet what it holds. */
async function verify(desk: ChangeDesk, task: MergeTask, merged: Merged): Promise<ChangeResult<MergeOutput>> {
  const { mirror, proven } = merged;
  const holds = await desk.git.run(['ls-remote', '--', mirror.url, `refs/heads/${mirror.target}`], { gitDir: mirror.gitDir });
  if (!holds.startsWith(proven.commit) && !(await holdsLater(desk, task, merged)))
    throw new PushContention('the target does not hold the merge that it accepted');
  return finish(desk, task, merged);
}

/** Reports a merge that happened before. One that was validated by an attempt which could not report it is validated here once more. */
async function reportAgain(desk: ChangeDesk, task: MergeTask, at: ViewedChange & { commit: string }): Promise<ChangeResult<MergeOutput>> {
  const { mirror, commit } = at;
  if (commit === task.commit) return finish(desk, task, { mirror, proven: { commit, base: task.base } });
  const base = await desk.git.run(['rev-parse', '--verify', `${commit}^1`], { gitDir: mirror.gitDir });
  const result = await checkCommit(desk, task, at);
  if (result.kind === 'unavailable') return { kind: 'failed', error: result.error };
  if (result.passed) return finish(desk, task, { mirror, proven: { commit, base, checks: result.checks } });
  const error = {
    type: 'validation',
    message: 'the change was merged before, and its validation fails now',
    retryable: false,
    detail: { commit },
  } as const;
  return { kind: 'failed', error };
}

/** The target has gone on since: its history must hold the merge. */
async function holdsLater(desk: ChangeDesk, task: MergeTask, { mirror, proven }: Merged): Promise<boolean> {
  const view = await desk.mirrors.look(mirror, task.ref.workflowId);
  return isIn(desk, mirror, { commit: proven.commit, head: view.target.commit });
}

const isIn = async (desk: ChangeDesk, mirror: Mirror, of: { commit: string; head: string }): Promise<boolean> =>
  (await desk.git.try(['merge-base', '--is-ancestor', of.commit, of.head], { gitDir: mirror.gitDir })).exitCode === 0;

/** The commit with which this cycle was merged before: a second delivery of the step, or a crash between the push and the report. */
async function alreadyMerged(desk: ChangeDesk, task: MergeTask, at: { mirror: Mirror; view: RemoteView }): Promise<string | undefined> {
  const { target } = at.view;
  if (target.commit === task.base) return undefined;
  if (target.commit === task.commit) return task.commit;
  const format = `--format=%H %(trailers:key=${MERGE_TRAILER},valueonly,separator=%x20)`;
  const log = await desk.git.try(['log', '--first-parent', '--max-count=1000', format, target.commit, `^${task.base}`, '--'], {
    gitDir: at.mirror.gitDir,
  });
  const mark = ` ${task.ref.workflowId}/${String(task.cycle)}`;
  return log.stdout
    .split('\n')
    .find((line) => line.endsWith(mark))
    ?.split(' ')[0];
}

/** A protected target takes changes from its forge only. What the forge made counts when its content is the content that was validated. */
async function mergeThere(
  desk: ChangeDesk,
  task: MergeTask,
  at: Merged & { readonly reason: string; readonly head: string },
): Promise<ChangeResult<MergeOutput>> {
  const { mirror, proven } = at;
  const forge = desk.forgeOf(task.repository);
  if (!forge.mergeThere)
    return { kind: 'failed', error: { type: 'dependency', message: `the remote refuses the merge: ${at.reason}`, retryable: false } };
  const commit = await forge.mergeThere(mirror, { number: task.number, head: at.head, title: task.title });
  const view = await desk.mirrors.look(mirror, task.ref.workflowId);
  const treeOf = async (of: string): Promise<string> =>
    (await desk.git.try(['rev-parse', '--verify', `${of}^{tree}`], { gitDir: mirror.gitDir })).stdout.trim();
  const [wanted, made] = [await treeOf(proven.commit), await treeOf(commit)];
  if (made !== wanted || !(await isIn(desk, mirror, { commit, head: view.target.commit }))) {
    return {
      kind: 'failed',
      error: {
        type: 'validation',
        message: 'the forge merged something other than what was validated',
        retryable: false,
        detail: { commit },
      },
    };
  }
  const same = {
    name: 'same content',
    passed: true,
    durationMs: 0,
    outputTail: `the forge's ${commit} holds the tree of ${proven.commit}, which passed`,
  };
  return finish(desk, task, { mirror, proven: { commit, base: proven.base, checks: [...(proven.checks ?? []), same] } });
}
