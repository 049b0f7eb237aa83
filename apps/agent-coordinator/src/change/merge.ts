import type { ValidationCheck } from '@taskmaster/contracts';
import type { Forge } from '../forge/forge.js';
import type { Mirror, RemoteView } from '../workspace/mirrors.js';
import { push, PushContention } from '../workspace/push.js';
import { MERGE_TRAILER } from '../workspace/trailers.js';
import { buildCandidate } from './candidate.js';
import { validateView, type ChangeDesk, type ChangeResult, type ChangeTask, type ValidateOutput, type Watch } from './change.js';

/** Times a target may move under us before the attempt gives up. */
export const MERGE_TRIES_MAX = 10;

/** `checks` and `base` say what was validated again when the target had moved. */
export type MergeOutput =
  | { readonly merged: true; readonly commit: string; readonly number: number; readonly target: string; readonly base: string; readonly checks: readonly ValidationCheck[] }
  | { readonly merged: false; readonly reason: 'validation-failed' | 'conflict'; readonly base: string; readonly commit: string; readonly checks: readonly ValidationCheck[] };

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
  const forge = desk.forgeOf(task.repository);
  let checks: readonly ValidationCheck[] = [];
  let proven = task.commit;
  for (let tries = 0; tries < MERGE_TRIES_MAX; tries += 1) {
    const view = await desk.mirrors.look(mirror, task.ref.workflowId);
    const before = await alreadyMerged(desk, task, { mirror, view });
    if (before !== undefined) return finish(forge, task, { mirror, commit: before, base: task.base, checks });
    const candidate = await provenCandidate(desk, task, { ...at, view, proven });
    if (candidate.kind === 'failed') return candidate;
    if (!candidate.output.passed) return { kind: 'done', output: refusalOf(candidate.output) };
    proven = candidate.output.commit;
    checks = candidate.output.checks.length > 0 ? candidate.output.checks : checks;
    const base = view.target.commit;
    const pushed = await push(desk.git, mirror.gitDir, mirror.url, [{ ref: `refs/heads/${mirror.target}`, from: base, to: proven }]);
    if (pushed.kind === 'pushed') return verify(desk, task, { mirror, forge, commit: proven, base, checks });
    if (pushed.kind === 'refused') return mergeThere(desk, task, { mirror, forge, reason: pushed.reason, candidate: candidate.output, head: view.integration?.commit ?? '' });
  }
  throw new PushContention('the target branch kept moving');
}

/** The candidate of validation when the target has not moved (building it again gives the same id), else a new one that passed here. */
async function provenCandidate(desk: ChangeDesk, task: MergeTask, at: { mirror: Mirror; view: RemoteView; watch: Watch; proven: string }): Promise<ChangeResult<ValidateOutput>> {
  const { target, integration } = at.view;
  if (!integration) return { kind: 'failed', error: { type: 'validation', message: 'there is nothing to merge: the integration branch is gone', retryable: false } };
  if (target.commit === task.base) {
    const again = await buildCandidate(desk.git, at.mirror, { workflowId: task.ref.workflowId, cycle: task.cycle, title: task.title, target, integration });
    if (again.kind === 'candidate' && again.commit === at.proven) return { kind: 'done', output: { passed: true, commit: again.commit, base: again.base, checks: [] } };
  }
  return validateView(desk, task, at);
}

function refusalOf(output: ValidateOutput): MergeOutput {
  const reason = output.checks[0]?.name === 'merge' ? 'conflict' : 'validation-failed';
  return { merged: false, reason, base: output.base, commit: output.commit, checks: output.checks };
}

interface Merged {
  readonly mirror: Mirror;
  readonly commit: string;
  readonly base: string;
  readonly checks: readonly ValidationCheck[];
}

async function finish(forge: Forge, task: MergeTask, merged: Merged): Promise<ChangeResult<MergeOutput>> {
  const { mirror, commit, base, checks } = merged;
  await forge.recordMerged(mirror, task.ref.workflowId, { number: task.number, commit });
  return { kind: 'done', output: { merged: true, commit, number: task.number, target: mirror.target, base, checks } };
}

/** Looks at the target once more: what a server answered is not yet what it holds. */
async function verify(desk: ChangeDesk, task: MergeTask, merged: Merged & { forge: Forge }): Promise<ChangeResult<MergeOutput>> {
  const { mirror, commit } = merged;
  const view = await desk.mirrors.look(mirror, task.ref.workflowId);
  const held = view.target.commit === commit || (await isIn(desk, mirror, { commit, head: view.target.commit }));
  if (!held) throw new PushContention('the target does not hold the merge that it accepted');
  return finish(merged.forge, task, merged);
}

const isIn = async (desk: ChangeDesk, mirror: Mirror, of: { commit: string; head: string }): Promise<boolean> =>
  (await desk.git.try(['merge-base', '--is-ancestor', of.commit, of.head], { gitDir: mirror.gitDir })).exitCode === 0;

/** The commit with which this cycle was merged before: a second delivery of the step, or a crash between the push and the report. */
async function alreadyMerged(desk: ChangeDesk, task: MergeTask, at: { mirror: Mirror; view: RemoteView }): Promise<string | undefined> {
  const { target } = at.view;
  if (target.commit === task.base) return undefined;
  if (target.commit === task.commit) return task.commit;
  const format = `--format=%H %(trailers:key=${MERGE_TRAILER},valueonly,separator=%x20)`;
  const log = await desk.git.try(['log', '--first-parent', '--max-count=1000', format, target.commit, `^${task.base}`, '--'], { gitDir: at.mirror.gitDir });
  const mark = ` ${task.ref.workflowId}/${String(task.cycle)}`;
  return log.stdout.split('\n').find((line) => line.endsWith(mark))?.split(' ')[0];
}

/** A protected target takes changes from its forge only. What the forge made counts when its content is the content that was validated. */
async function mergeThere(
  desk: ChangeDesk,
  task: MergeTask,
  at: { mirror: Mirror; forge: Forge; reason: string; candidate: ValidateOutput; head: string },
): Promise<ChangeResult<MergeOutput>> {
  const { mirror, forge, candidate } = at;
  const refused: ChangeResult<MergeOutput> = { kind: 'failed', error: { type: 'dependency', message: `the remote refuses the merge: ${at.reason}`, retryable: false } };
  if (!forge.mergeThere) return refused;
  const commit = await forge.mergeThere(mirror, { number: task.number, head: at.head, title: task.title });
  const view = await desk.mirrors.look(mirror, task.ref.workflowId);
  const trees = await desk.git.run(['rev-parse', '--verify', `${candidate.commit}^{tree}`], { gitDir: mirror.gitDir });
  const made = await desk.git.try(['rev-parse', '--verify', `${commit}^{tree}`], { gitDir: mirror.gitDir });
  if (made.stdout.trim() !== trees || !(await isIn(desk, mirror, { commit, head: view.target.commit }))) {
    return { kind: 'failed', error: { type: 'validation', message: 'the forge merged something other than what was validated', retryable: false, detail: { commit } } };
  }
  return finish(forge, task, { mirror, commit, base: candidate.base, checks: candidate.checks });
}
