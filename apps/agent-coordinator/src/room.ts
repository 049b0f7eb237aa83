import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { AttemptRef, StepContext } from '@taskmaster/contracts';
import type { ChangeDesk } from './change/change.js';
import { findDelivered, type DeliveredCommit } from './workspace/deliver.js';
import type { Workspace } from './workspace/workspaces.js';

/** Where one attempt works. Without a repository it is an empty folder. */
export interface Room {
  readonly path: string;
  readonly home: string;
  readonly workspace?: Workspace;
}

export type Opened = { readonly kind: 'open'; readonly room: Room } | { readonly kind: 'delivered'; readonly delivered: DeliveredCommit };

/**
 * A worktree at the head of what the workflow has so far, unless an attempt of this step has already delivered. The remote is not asked
 * when a first attempt begins and this process knows a head that holds everything the step depends on.
 */
export async function openRoom(desk: ChangeDesk, ref: AttemptRef, context: StepContext): Promise<Opened> {
  const { repository } = context;
  if (!repository) return { kind: 'open', room: await desk.workspaces.openEmpty(ref) };
  const mirror = await desk.mirrors.of(repository);
  const known = ref.attempt === 1 ? desk.mirrors.headWith(mirror, ref.workflowId, commitsOf(context)) : undefined;
  if (known !== undefined) return opened(await desk.workspaces.open(ref, mirror, known));
  const view = await desk.mirrors.ensureIntegration(mirror, ref.workflowId);
  const delivered = await findDelivered(desk.git, mirror, view, ref);
  if (delivered) return { kind: 'delivered', delivered };
  return opened(await desk.workspaces.open(ref, mirror, view.integration.commit));
}

const opened = (workspace: Workspace): Opened => ({ kind: 'open', room: { path: workspace.path, home: workspace.home, workspace } });

const commitsOf = ({ dependencies }: StepContext): readonly string[] =>
  dependencies.flatMap(({ output }) => (typeof output['commit'] === 'string' && output['commit'] !== '' ? [output['commit']] : []));

/** Removes a room. `save` keeps what is in it under a ref first. */
export async function closeRoom(
  desk: ChangeDesk,
  ref: AttemptRef,
  room: Room | undefined,
  options: { readonly save: boolean },
): Promise<void> {
  if (!room) return;
  if (!room.workspace) {
    await desk.workspaces.removeEmpty(ref);
    return;
  }
  if (options.save && existsSync(room.path)) await desk.workspaces.salvage(room.workspace);
  await desk.workspaces.remove(room.workspace);
}

/** The files of a room without a repository, as evidence that something was made. */
export async function filesIn(room: Room): Promise<readonly string[]> {
  const entries = await readdir(room.path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort();
}
