import type { WorkflowId } from '@taskmaster/contracts';
import type { Git } from '../git.js';
import type { Lanes } from '../lanes.js';
import { attemptBranch, attemptName, integrationBranch, slugOf } from '../names.js';
import { mergeTrees } from './merge-trees.js';
import { RepositoryUnusable, type Head, type Mirror, type Mirrors, type RemoteView } from './mirrors.js';
import { push, PushContention } from './push.js';
import { attemptMessage, STEP_TRAILER, WORKFLOW_TRAILER, type AgentStamp } from './trailers.js';
import type { Workspace, Workspaces } from './workspaces.js';

/** Tries to advance one integration branch against other writers. */
export const DELIVERY_TRIES_MAX = 20;

export interface DeliveredCommit {
  readonly commit: string;
  readonly branch: string;
  readonly files: readonly string[];
}

/** What became of the work of one attempt. `no-change`: the workspace is as it was at the start. */
export type Delivery =
  | ({ readonly kind: 'delivered' } & DeliveredCommit)
  | { readonly kind: 'no-change' }
  | { readonly kind: 'conflict'; readonly files: readonly string[]; readonly against: string };

export interface DeliveryDesk {
  readonly git: Git;
  readonly mirrors: Mirrors;
  readonly workspaces: Workspaces;
  readonly lanes: Lanes;
}

/**
 * Turns everything an attempt changed into one commit on the workflow's integration branch, and returns that commit. The branch only moves
 * by compare-and-set, together with the attempt's own branch, so that whoever finds the one finds the other.
 */
export async function deliver(desk: DeliveryDesk, workspace: Workspace, title: string, agent: AgentStamp): Promise<Delivery> {
  const { files, tree } = await desk.workspaces.snapshot(workspace);
  if (files.length === 0) return { kind: 'no-change' };
  const message = attemptMessage(workspace.ref, title, agent);
  const commit = await commitTree(desk.git, workspace.mirror, { tree: await tree(), parents: [workspace.base], message });
  const lane = `deliver ${workspace.mirror.gitDir} ${workspace.ref.workflowId}`;
  return desk.lanes.run(lane, () => advance(desk, workspace, { commit, files, message }));
}

interface Work {
  readonly commit: string;
  readonly files: readonly string[];
  readonly message: string;
}

async function advance(desk: DeliveryDesk, workspace: Workspace, work: Work): Promise<Delivery> {
  const { mirror, ref } = workspace;
  for (let tries = 0; tries < DELIVERY_TRIES_MAX; tries += 1) {
    // The first try trusts the last head this process knows; the compare-and-set finds out when another one has delivered since.
    const trusted = tries === 0 ? desk.mirrors.lastHead(mirror, ref.workflowId) : undefined;
    const view = trusted === undefined ? await desk.mirrors.look(mirror, ref.workflowId) : undefined;
    const done = view?.delivered.get(attemptName(ref));
    if (done) return { kind: 'delivered', commit: done.commit, branch: attemptBranch(ref), files: work.files };
    const delivery = await tryOnto(desk, workspace, work, trusted ?? headOf(view, workspace.base));
    if (delivery) return delivery;
  }
  throw new PushContention('the integration branch kept moving');
}

const headOf = (view: RemoteView | undefined, otherwise: string): string => view?.integration?.commit ?? otherwise;

/** One try to move the branch from where it is believed to be; undefined when it was not there any more. */
async function tryOnto(desk: DeliveryDesk, { mirror, ref, base }: Workspace, work: Work, onto: string): Promise<Delivery | undefined> {
  const landed = await rebase(desk.git, mirror, { work, base, onto });
  if (landed.kind === 'conflict') return landed;
  const branch = attemptBranch(ref);
  const pushed = await push(desk.git, mirror.gitDir, mirror.url, [
    { ref: `refs/heads/${integrationBranch(ref.workflowId)}`, from: onto, to: landed.commit },
    { ref: `refs/heads/${branch}`, from: '', to: landed.commit },
  ]);
  if (pushed.kind === 'refused') throw new RepositoryUnusable(`the remote refuses our branches: ${pushed.reason}`);
  if (pushed.kind === 'raced') return undefined;
  desk.mirrors.remember(mirror, ref.workflowId, landed.commit);
  return { kind: 'delivered', commit: landed.commit, branch, files: work.files };
}

type Rebased = { readonly kind: 'rebased'; readonly commit: string } | Extract<Delivery, { kind: 'conflict' }>;

async function rebase(
  git: Git,
  mirror: Mirror,
  at: { readonly work: Work; readonly base: string; readonly onto: string },
): Promise<Rebased> {
  if (at.onto === at.base) return { kind: 'rebased', commit: at.work.commit };
  const merged = await mergeTrees(git, mirror.gitDir, at.onto, at.work.commit);
  if (merged.kind === 'conflict') return { kind: 'conflict', files: merged.files, against: at.onto };
  return { kind: 'rebased', commit: await commitTree(git, mirror, { tree: merged.tree, parents: [at.onto], message: at.work.message }) };
}

export interface CommitDraft {
  readonly tree: string;
  readonly parents: readonly string[];
  readonly message: string;
  readonly date?: number;
}

export function commitTree(git: Git, mirror: Mirror, draft: CommitDraft): Promise<string> {
  const parents = draft.parents.flatMap((parent) => ['-p', parent]);
  const dated = draft.date === undefined ? {} : { date: draft.date };
  return git.run(['commit-tree', draft.tree, ...parents, '-F', '-'], { gitDir: mirror.gitDir, stdin: draft.message, ...dated });
}

/**
 * The commit with which some attempt of this step has already been delivered. The branch is the index; the trailers of the commit are the
 * proof, so a branch that somebody else made by that name counts for nothing.
 */
export async function findDelivered(
  git: Git,
  mirror: Mirror,
  view: RemoteView,
  step: { workflowId: WorkflowId; stepId: string },
): Promise<DeliveredCommit | undefined> {
  const prefix = `${slugOf(step.stepId)}-`;
  for (const [leaf, head] of view.delivered) {
    if (!leaf.startsWith(prefix) || !/^\d+$/.test(leaf.slice(prefix.length))) continue;
    const proof = await proofOf(git, mirror, head);
    if (proof.workflow !== step.workflowId || proof.step !== step.stepId) continue;
    return { commit: head.commit, branch: `tm/${slugOf(step.workflowId)}/${leaf}`, files: proof.files };
  }
  return undefined;
}

async function proofOf(git: Git, mirror: Mirror, head: Head): Promise<{ workflow: string; step: string; files: readonly string[] }> {
  const trailer = (key: string): string => `%(trailers:key=${key},valueonly,separator=%x20)`;
  const format = `--format=${trailer(WORKFLOW_TRAILER)}%n${trailer(STEP_TRAILER)}`;
  const said = await git.run(['show', '--name-only', '--no-renames', '-z', format, head.commit, '--'], { gitDir: mirror.gitDir });
  const [trailers = '', ...rest] = said.split('\0');
  const [workflow = '', step = ''] = trailers.split('\n');
  return { workflow, step, files: rest.map((file) => file.replace(/^\n/, '')).filter((file) => file !== '') };
}
