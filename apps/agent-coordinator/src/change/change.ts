import type { AttemptRef, RepositoryRef, StepError, ValidationCheck, ValidationCommand, WorkflowId } from '@taskmaster/contracts';
import type { Forge } from '../forge/forge.js';
import { integrationBranch } from '../names.js';
import type { DeliveryDesk } from '../workspace/deliver.js';
import { mergeTrees } from '../workspace/merge-trees.js';
import type { Mirror, RemoteView } from '../workspace/mirrors.js';
import { removeBranches } from './branches.js';
import { buildCandidate } from './candidate.js';
import { runChecks, type CheckRoom, type ChecksResult } from './checks.js';

/** One step about a workflow's change. */
export interface ChangeTask {
  readonly ref: AttemptRef;
  readonly repository: RepositoryRef;
  readonly title: string;
  readonly body: string;
  readonly cycle: number;
  readonly validation: readonly ValidationCommand[];
}

export interface ChangeDesk extends DeliveryDesk {
  readonly forgeOf: (repository: RepositoryRef) => Forge;
  /** What validators may see of this process's environment. */
  readonly commandEnv: Readonly<Record<string, string>>;
}

/** Watches over the commands of one step. */
export type Watch = Pick<CheckRoom, 'signal' | 'onSpawn'>;

/** Either the output of the step, or why it could not be done. */
export type ChangeResult<Output> =
  { readonly kind: 'done'; readonly output: Output } | { readonly kind: 'failed'; readonly error: StepError };

export interface LandOutput {
  readonly number: number;
  readonly url: string;
  readonly title: string;
  readonly source: string;
  readonly target: string;
  readonly head: string;
}

/** The target holds everything that was delivered: somebody else has brought it there, and nothing is left to land. */
export interface AlreadyThereOutput {
  readonly alreadyThere: true;
  readonly target: string;
  /** The head of the target that holds it. */
  readonly commit: string;
}

export interface ValidateOutput {
  readonly passed: boolean;
  readonly commit: string;
  readonly base: string;
  readonly checks: readonly ValidationCheck[];
}

const failed = (type: StepError['type'], message: string): { readonly kind: 'failed'; readonly error: StepError } => ({
  kind: 'failed',
  error: { type, message, retryable: false },
});

/** Whether merging what was delivered would leave the target as it is. */
async function isThere(desk: ChangeDesk, mirror: Mirror, { target, integration }: RemoteView): Promise<boolean> {
  if (integration === undefined) return false;
  if (integration.tree === target.tree) return true;
  const merged = await mergeTrees(desk.git, mirror.gitDir, target.commit, integration.commit);
  return merged.kind === 'merged' && merged.tree === target.tree;
}

/** Opens the workflow's pull request, or moves it to what has been delivered since. */
export async function land(desk: ChangeDesk, task: ChangeTask): Promise<ChangeResult<LandOutput | AlreadyThereOutput>> {
  const mirror = await desk.mirrors.of(task.repository);
  const { workflowId } = task.ref;
  const view = await desk.mirrors.look(mirror, workflowId);
  if (!view.integration || view.delivered.size === 0)
    return failed('validation', 'there is nothing to land: no step changed the repository');
  if (await isThere(desk, mirror, view)) {
    await desk.forgeOf(task.repository).close(mirror, workflowId, `${mirror.target} holds this change already`);
    return { kind: 'done', output: { alreadyThere: true, target: mirror.target, commit: view.target.commit } };
  }
  const pull = await desk.forgeOf(task.repository).ensurePullRequest(mirror, {
    workflowId,
    title: task.title,
    body: task.body,
    source: integrationBranch(workflowId),
    target: mirror.target,
    head: view.integration.commit,
  });
  const { number, url, title, source, target, head } = pull;
  return { kind: 'done', output: { number, url, title, source, target, head } };
}

/** Builds the merge result once and runs every validator on exactly that commit. A failing validation is a result, not a failure. */
export async function validate(desk: ChangeDesk, task: ChangeTask, watch: Watch = {}): Promise<ChangeResult<ValidateOutput>> {
  const mirror = await desk.mirrors.of(task.repository);
  const view = await desk.mirrors.look(mirror, task.ref.workflowId);
  return validateView(desk, task, { mirror, view, watch });
}

export interface ViewedChange {
  readonly mirror: Mirror;
  readonly view: RemoteView;
  readonly watch: Watch;
}

export async function validateView(desk: ChangeDesk, task: ChangeTask, at: ViewedChange): Promise<ChangeResult<ValidateOutput>> {
  const { target, integration } = at.view;
  if (!integration) return failed('validation', 'there is nothing to validate: the workflow has no integration branch');
  const candidate = await buildCandidate(desk.git, at.mirror, {
    workflowId: task.ref.workflowId,
    cycle: task.cycle,
    title: task.title,
    target,
    integration,
  });
  if (candidate.kind === 'conflict') {
    const check = {
      name: 'merge',
      passed: false,
      durationMs: 0,
      outputTail: `conflicts with ${at.mirror.target} in: ${candidate.files.join(', ')}`.slice(0, 4000),
    };
    return { kind: 'done', output: { passed: false, commit: integration.commit, base: target.commit, checks: [check] } };
  }
  const result = await checkCommit(desk, task, { ...at, commit: candidate.commit });
  if (result.kind === 'unavailable') return { kind: 'failed', error: result.error };
  return { kind: 'done', output: { passed: result.passed, commit: candidate.commit, base: candidate.base, checks: result.checks } };
}

/** Runs the validators on one commit, in a worktree of its own. */
export async function checkCommit(desk: ChangeDesk, task: ChangeTask, at: ViewedChange & { commit: string }): Promise<ChecksResult> {
  const workspace = await desk.workspaces.open(task.ref, at.mirror, at.commit);
  try {
    return await runChecks(
      { cwd: workspace.path, env: { ...desk.commandEnv, HOME: workspace.home, CI: '1' }, ...at.watch },
      task.validation,
    );
  } finally {
    await desk.workspaces.remove(workspace);
  }
}

/** Stops nothing by itself: whoever calls has ended the sessions. Closes the pull request and removes the workflow's branches and folders. */
export async function discard(
  desk: ChangeDesk,
  repository: RepositoryRef,
  workflowId: WorkflowId,
): Promise<{ readonly leftovers: readonly string[] }> {
  const leftovers: string[] = [];
  const mirror = await desk.mirrors.of(repository);
  const note =
    (what: string) =>
    (error: unknown): void => {
      leftovers.push(`${what}: ${error instanceof Error ? error.message : String(error)}`.slice(0, 300));
    };
  await desk
    .forgeOf(repository)
    .close(mirror, workflowId, 'the workflow ended without a merge')
    .then(() => undefined, note('pull request'));
  await removeBranches(desk, mirror, workflowId).catch(note('branches'));
  leftovers.push(...(await desk.workspaces.removeFolder(workflowId)));
  return { leftovers };
}
