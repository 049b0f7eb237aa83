import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { AttemptRef, WorkflowId } from '@taskmaster/contracts';
import type { Git } from '../git.js';
import type { Lanes } from '../lanes.js';
import { attemptName, slugOf } from '../names.js';
import type { Mirror, Mirrors } from './mirrors.js';
import { push } from './push.js';

/** The worktree in which one attempt works, and the commit it started from. */
export interface Workspace {
  readonly ref: AttemptRef;
  readonly mirror: Mirror;
  readonly path: string;
  /** The attempt's own HOME. */
  readonly home: string;
  readonly base: string;
  /** Where git keeps the worktree's index; noted before an agent can change what the worktree says of itself. */
  readonly admin: string;
}

export const salvageRef = (ref: AttemptRef): string => `refs/tm/salvage/${slugOf(ref.workflowId)}/${attemptName(ref)}`;

/** Makes, saves and removes the worktrees of attempts. */
export class Workspaces {
  constructor(
    private readonly git: Git,
    private readonly root: string,
    private readonly mirrors: Mirrors,
    private readonly lanes: Lanes,
  ) {}

  pathOf(ref: AttemptRef): string {
    return join(this.root, slugOf(ref.workflowId), attemptName(ref));
  }

  /**
   * A worktree at `base`. It is on no branch: what an attempt delivers gets its branch on the remote, and nothing is left here to tidy.
   * What a crash left at its place is saved and removed first.
   */
  async open(ref: AttemptRef, mirror: Mirror, base: string): Promise<Workspace> {
    const path = this.pathOf(ref);
    const home = `${path}.home`;
    if (existsSync(path)) {
      const left = { ref, mirror, path, home, base, admin: await adminOf(path, mirror.gitDir) };
      await this.salvage(left);
      await this.remove(left);
    }
    await mkdir(home, { recursive: true, mode: 0o700 });
    // Two worktrees made at once in one repository fight over its lock files.
    await this.lanes.run(`worktree ${mirror.gitDir}`, () =>
      this.git.run(['worktree', 'add', '--quiet', '--force', '--detach', '--', path, base], { gitDir: mirror.gitDir }),
    );
    return { ref, mirror, path, home, base, admin: await adminOf(path, mirror.gitDir) };
  }

  /** A folder without a repository, for a workflow that has none. */
  async openEmpty(ref: AttemptRef): Promise<{ readonly path: string; readonly home: string }> {
    const path = this.pathOf(ref);
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true, mode: 0o700 });
    await mkdir(`${path}.home`, { recursive: true, mode: 0o700 });
    return { path, home: `${path}.home` };
  }

  /** The workspace's content as a tree, and the files in which it differs from its base. Everything counts that is not ignored. */
  async snapshot(workspace: Workspace): Promise<{ readonly files: readonly string[]; readonly tree: () => Promise<string> }> {
    await this.mirrors.restoreConfig(workspace.mirror.gitDir);
    const options = this.indexOf(workspace);
    await this.git.run(['add', '--all', '--', '.'], options);
    const listed = await this.git.run(['diff-index', '--cached', '--name-only', '--no-renames', '-z', workspace.base, '--'], options);
    return { files: listed.split('\0').filter((file) => file !== ''), tree: () => this.git.run(['write-tree'], options) };
  }

  /** Saves what is in a workspace to a ref, here and on the remote. Undefined when there is nothing to save. */
  async salvage(workspace: Workspace): Promise<string | undefined> {
    if (!existsSync(workspace.path)) return undefined;
    const { gitDir, url } = workspace.mirror;
    const { files, tree } = await this.snapshot(workspace);
    if (files.length === 0) return undefined;
    const message = `Unfinished work of ${workspace.ref.stepId}, attempt ${String(workspace.ref.attempt)}\n\nTaskMaster-Workflow: ${workspace.ref.workflowId}\n`;
    const commit = await this.git.run(['commit-tree', await tree(), '-p', workspace.base, '-F', '-'], { gitDir, stdin: message });
    const ref = salvageRef(workspace.ref);
    const before = await this.git.try(['rev-parse', '--verify', '--quiet', ref], { gitDir });
    await this.git.run(['update-ref', ref, commit], { gitDir });
    // Kept here in any case; the remote has it so that it outlives this machine. A remote that takes no such refs loses nothing of ours.
    await push(this.git, gitDir, url, [{ ref, from: before.stdout.trim(), to: commit }]).catch(() => undefined);
    return ref;
  }

  /** Removes a worktree and its HOME. Whoever calls has delivered or saved what was in it. */
  async remove(workspace: Workspace): Promise<void> {
    const { gitDir } = workspace.mirror;
    await rm(workspace.path, { recursive: true, force: true, maxRetries: 3 });
    await rm(workspace.home, { recursive: true, force: true, maxRetries: 3 });
    await this.lanes.run(`worktree ${gitDir}`, () => rm(workspace.admin, { recursive: true, force: true, maxRetries: 3 }));
  }

  async removeEmpty(ref: AttemptRef): Promise<void> {
    const path = this.pathOf(ref);
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
    await rm(`${path}.home`, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Removes the folder of a workflow that has ended; names what is still in it. */
  async removeFolder(workflowId: WorkflowId): Promise<readonly string[]> {
    const folder = join(this.root, slugOf(workflowId));
    const left = await readdir(folder).catch(() => []);
    if (left.length === 0) await rm(folder, { recursive: true, force: true });
    return left.map((name) => join(folder, name));
  }

  private indexOf(workspace: Workspace): { gitDir: string; workTree: string; indexFile: string } {
    return { gitDir: workspace.mirror.gitDir, workTree: workspace.path, indexFile: join(workspace.admin, 'index') };
  }
}

/** The folder that git keeps for a worktree, if what the worktree says lies where it must. */
async function adminOf(path: string, gitDir: string): Promise<string> {
  const said = /^gitdir: (.+)$/m.exec(await readFile(join(path, '.git'), 'utf8').catch(() => ''))?.[1];
  const admin = said === undefined ? undefined : resolve(said.trim());
  if (admin !== undefined && dirname(admin) === join(resolve(gitDir), 'worktrees')) return admin;
  return join(resolve(gitDir), 'worktrees', 'none');
}
