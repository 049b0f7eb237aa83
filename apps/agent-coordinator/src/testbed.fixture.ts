import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { AttemptRef, RepositoryRef, StepId, ValidationCommand, WorkflowId } from '@taskmaster/contracts';
import type { ChangeDesk, ChangeTask } from './change/change.js';
import { LocalForge } from './forge/local-forge.js';
import { createGit, type Git } from './git.js';
import { createLanes } from './lanes.js';
import { deliver, findDelivered, type Delivery } from './workspace/deliver.js';
import { Mirrors } from './workspace/mirrors.js';
import { Workspaces, type Workspace } from './workspace/workspaces.js';

const SEARCH_PATH = `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`;

export const attempt = (workflow: string, step: string, number = 1): AttemptRef => ({
  workflowId: workflow as WorkflowId,
  stepId: step as StepId,
  attempt: number,
});

/** A coordinator's own root, mirrors and workspaces. */
export function createDesk(root: string): ChangeDesk {
  const git = createGit({ home: join(root, 'git'), searchPath: SEARCH_PATH });
  const lanes = createLanes();
  const mirrors = new Mirrors(git, join(root, 'mirrors'), lanes);
  const workspaces = new Workspaces(git, join(root, 'workspaces'), mirrors, lanes);
  const forge = new LocalForge(git);
  return { git, lanes, mirrors, workspaces, forgeOf: () => forge, commandEnv: { PATH: SEARCH_PATH, LC_ALL: 'C' } };
}

/** A folder with one real bare repository and as many coordinators as a spec asks for. */
export class Testbed {
  readonly root = mkdtempSync(join(tmpdir(), 'tm-coordinator-'));
  readonly url = join(this.root, 'remote.git');
  readonly repository: RepositoryRef = { url: this.url, branch: 'main', forge: 'local' };
  readonly git: Git = createGit({ home: join(this.root, 'own-git'), searchPath: SEARCH_PATH });
  private desks = 0;

  static async create(files: Readonly<Record<string, string>>): Promise<Testbed> {
    const bed = new Testbed();
    await bed.git.run(['init', '--quiet', '--bare', '--', bed.url]);
    await bed.commit(files, 'Initial commit');
    return bed;
  }

  desk(): ChangeDesk {
    this.desks += 1;
    return createDesk(join(this.root, `coordinator-${String(this.desks)}`));
  }

  /** Puts files on a branch of the remote directly, as somebody else would. */
  async commit(files: Readonly<Record<string, string>>, message: string, branch = 'main'): Promise<string> {
    const clone = mkdtempSync(join(this.root, 'clone-'));
    const parent = await this.head(branch);
    const options = { gitDir: this.url, workTree: clone, indexFile: join(this.root, `index-${String(Math.random())}`) };
    if (parent !== '') await this.git.run(['read-tree', parent], options);
    if (parent !== '') await this.git.run(['checkout-index', '--all'], options);
    write(clone, files);
    await this.git.run(['add', '--all', '--', '.'], options);
    const tree = await this.git.run(['write-tree'], options);
    const commit = await this.git.run(['commit-tree', tree, ...(parent === '' ? [] : ['-p', parent]), '-m', message], options);
    await this.git.run(['update-ref', `refs/heads/${branch}`, commit], { gitDir: this.url });
    return commit;
  }

  async head(ref: string): Promise<string> {
    return (await this.git.try(['rev-parse', '--verify', '--quiet', ref], { gitDir: this.url })).stdout.trim();
  }

  show(ref: string, path: string): Promise<string> {
    return this.git.run(['show', `${ref}:${path}`], { gitDir: this.url });
  }

  async refs(pattern: string): Promise<readonly string[]> {
    const listed = await this.git.run(['for-each-ref', '--format=%(refname)', '--', pattern], { gitDir: this.url });
    return listed.split('\n').filter((line) => line !== '');
  }

  task(
    workflow: string,
    step: string,
    options: { readonly validation?: readonly ValidationCommand[]; readonly cycle?: number } = {},
  ): ChangeTask {
    return {
      ref: attempt(workflow, step),
      repository: this.repository,
      title: 'Add a health check',
      body: 'What was asked for.',
      cycle: options.cycle ?? 1,
      validation: options.validation ?? [],
    };
  }

  destroy(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export function write(dir: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
}

/** What the coordinator does around an agent: opens a workspace at the integration head. */
export async function openWorkspace(desk: ChangeDesk, bed: Testbed, ref: AttemptRef): Promise<Workspace> {
  const mirror = await desk.mirrors.of(bed.repository);
  const view = await desk.mirrors.ensureIntegration(mirror, ref.workflowId);
  return desk.workspaces.open(ref, mirror, view.integration.commit);
}

/** One attempt from start to delivery, with an agent that writes these files. */
export async function work(desk: ChangeDesk, bed: Testbed, ref: AttemptRef, files: Readonly<Record<string, string>>): Promise<Delivery> {
  const mirror = await desk.mirrors.of(bed.repository);
  const view = await desk.mirrors.ensureIntegration(mirror, ref.workflowId);
  const before = await findDelivered(desk.git, mirror, view, ref);
  if (before) return { kind: 'delivered', ...before };
  const workspace = await desk.workspaces.open(ref, mirror, view.integration.commit);
  write(workspace.path, files);
  const delivery = await deliver(desk, workspace, `Work of ${ref.stepId}`, { name: 'twin', simulated: true });
  await desk.workspaces.remove(workspace);
  return delivery;
}
