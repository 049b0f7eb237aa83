import type { WorkflowId } from '@taskmaster/contracts';
import { branchPrefix, slugOf } from '../names.js';
import type { DeliveryDesk } from '../workspace/deliver.js';
import type { Mirror } from '../workspace/mirrors.js';
import { push, PushContention, type RefChange } from '../workspace/push.js';

const TRIES_MAX = 5;

/** Deletes a workflow's branches on the remote. Work that reached no target is kept under `refs/tm/salvage/` in the same change. */
export async function removeBranches(desk: DeliveryDesk, mirror: Mirror, workflowId: WorkflowId): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const view = await desk.mirrors.look(mirror, workflowId);
    const prefix = `refs/heads/${branchPrefix(workflowId)}`;
    const changes: RefChange[] = [...view.delivered].map(([leaf, head]) => ({ ref: `${prefix}/${leaf}`, from: head.commit, to: '' }));
    if (view.integration) changes.push({ ref: `${prefix}/integration`, from: view.integration.commit, to: '' });
    if (changes.length === 0) return;
    const pushed = await push(desk.git, mirror.gitDir, mirror.url, [
      ...changes,
      ...(await keep(desk, mirror, { workflowId, head: view.integration?.commit, target: view.target.commit })),
    ]);
    if (pushed.kind === 'pushed') return;
    if (pushed.kind === 'refused') throw new PushContention(`the remote refuses to delete our branches: ${pushed.reason}`);
  }
  throw new PushContention('the branches kept moving while they were removed');
}

async function keep(
  desk: DeliveryDesk,
  mirror: Mirror,
  of: { workflowId: WorkflowId; head: string | undefined; target: string },
): Promise<readonly RefChange[]> {
  if (of.head === undefined || of.head === of.target) return [];
  const contained = await desk.git.try(['merge-base', '--is-ancestor', of.head, of.target], { gitDir: mirror.gitDir });
  if (contained.exitCode === 0) return [];
  // Never overwrites: one name per commit.
  const ref = `refs/tm/salvage/${slugOf(of.workflowId)}/integration-${of.head.slice(0, 12)}`;
  const there = await desk.git.run(['ls-remote', '--', mirror.url, ref], { gitDir: mirror.gitDir });
  return there === '' ? [{ ref, from: '', to: of.head }] : [];
}
