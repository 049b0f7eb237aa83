import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, type RepositoryRef, type WorkflowId } from '@taskmaster/contracts';
import { GitFault, type Git } from '../git.js';
import type { Lanes } from '../lanes.js';
import { branchPrefix, digestOf, integrationBranch, parseBranch, parseRemote, slugOf } from '../names.js';
import { push } from './push.js';

const LOOKS_MAX = 20;
/** Workflows whose integration heads are remembered as hints, and heads of each. */
const HINTS_MAX = 1000;
const HEADS_MAX = 500;

/** The repository a workflow names cannot be used: asking again does not help. */
export class RepositoryUnusable extends Fault {
  override readonly name = 'RepositoryUnusable';
  readonly code = 'repository-unusable';
  readonly retryable = false;
}

/** Our bare copy of one remote. It has no remote configured, so that nothing in a worktree can push by habit. */
export interface Mirror {
  readonly gitDir: string;
  readonly url: string;
  readonly target: string;
}

export interface Head {
  readonly commit: string;
  readonly tree: string;
  /** Seconds since the epoch. */
  readonly date: number;
}

/** What the remote held at one look: the target branch and the workflow's own branches. */
export interface RemoteView {
  readonly target: Head;
  readonly integration: Head | undefined;
  /** By the last part of the branch's name: `<step>-<attempt>`. */
  readonly delivered: ReadonlyMap<string, Head>;
}

const MIRROR_CONFIG = '[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n';

/** Keeps one mirror per remote and looks at remotes through them. */
export class Mirrors {
  private readonly waiting = new Map<string, Promise<RemoteView>>();
  /** By mirror and workflow: integration heads, oldest first, each holding those before it. */
  private readonly heads = new Map<string, string[]>();

  constructor(
    private readonly git: Git,
    private readonly root: string,
    private readonly lanes: Lanes,
  ) {}

  /** @throws RepositoryUnusable when the address or the branch is nothing that may be handed to git */
  async of(repository: RepositoryRef): Promise<Mirror> {
    const url = parseRemote(repository.url);
    if (!url.ok) throw new RepositoryUnusable(`repository: ${url.error}`);
    const target = parseBranch(repository.branch);
    if (!target.ok) throw new RepositoryUnusable(`branch: ${target.error}`);
    const gitDir = join(this.root, `${digestOf(url.value)}.git`);
    if (!existsSync(gitDir)) await this.lanes.run(`mirror ${gitDir}`, () => this.create(gitDir));
    return { gitDir, url: url.value, target: target.value };
  }

  /** Undoes what an agent may have written into the configuration that its worktree shares with us. */
  async restoreConfig(gitDir: string): Promise<void> {
    const path = join(gitDir, 'config');
    if ((await readFile(path, 'utf8').catch(() => '')) !== MIRROR_CONFIG) await writeFile(path, MIRROR_CONFIG);
  }

  /** The integration head this process last saw or made. Only a hint: compare-and-set finds out when it is wrong. */
  lastHead(mirror: Mirror, workflowId: WorkflowId): string | undefined {
    return this.heads.get(keyOf(mirror, workflowId))?.at(-1);
  }

  /** The last head this process knows of, if it certainly holds these commits. */
  headWith(mirror: Mirror, workflowId: WorkflowId, commits: readonly string[]): string | undefined {
    const known = this.heads.get(keyOf(mirror, workflowId));
    return known && commits.every((commit) => known.includes(commit)) ? known.at(-1) : undefined;
  }

  remember(mirror: Mirror, workflowId: WorkflowId, commit: string): void {
    const key = keyOf(mirror, workflowId);
    const known = this.heads.get(key) ?? [];
    this.heads.delete(key);
    this.heads.set(key, known.at(-1) === commit ? known : [...known, commit].slice(-HEADS_MAX));
    const oldest = this.heads.keys().next();
    if (this.heads.size > HINTS_MAX && oldest.done !== true) this.heads.delete(oldest.value);
  }

  /** Fetches the target and the workflow's branches. Callers that come while one look is on its way share the next one. */
  look(mirror: Mirror, workflowId: WorkflowId): Promise<RemoteView> {
    const key = `look ${mirror.gitDir} ${mirror.target} ${workflowId}`;
    const waiting = this.waiting.get(key);
    if (waiting) return waiting;
    const next = this.lanes.run(key, () => {
      this.waiting.delete(key);
      return this.fetch(mirror, workflowId);
    });
    this.waiting.set(key, next);
    return next;
  }

  /** The workflow's integration branch, made from the target's head by whoever comes first. */
  async ensureIntegration(mirror: Mirror, workflowId: WorkflowId): Promise<RemoteView & { readonly integration: Head }> {
    for (let tries = 0; tries < LOOKS_MAX; tries += 1) {
      const view = await this.look(mirror, workflowId);
      if (view.integration) return { ...view, integration: view.integration };
      const made = await this.lanes.run(`integrate ${mirror.gitDir} ${workflowId}`, () =>
        push(this.git, mirror.gitDir, mirror.url, [
          { ref: `refs/heads/${integrationBranch(workflowId)}`, from: '', to: view.target.commit },
        ]),
      );
      if (made.kind === 'pushed') {
        this.remember(mirror, workflowId, view.target.commit);
        return { ...view, integration: view.target };
      }
      if (made.kind === 'refused') throw new RepositoryUnusable(`the remote refuses our branches: ${made.reason}`);
    }
    throw new GitFault('push', 'the integration branch could neither be made nor be found');
  }

  private async create(gitDir: string): Promise<void> {
    if (existsSync(gitDir)) return;
    await mkdir(this.root, { recursive: true });
    const draft = `${gitDir}.${String(process.pid)}`;
    await rm(draft, { recursive: true, force: true });
    await this.git.run(['init', '--quiet', '--bare', '--', draft]);
    await writeFile(join(draft, 'config'), MIRROR_CONFIG);
    await rename(draft, gitDir);
  }

  private async fetch(mirror: Mirror, workflowId: WorkflowId): Promise<RemoteView> {
    const { gitDir, url, target } = mirror;
    const here = `refs/tm-remote/${slugOf(workflowId)}`;
    const specs = [`+refs/heads/${target}:${here}/target`, `+refs/heads/${branchPrefix(workflowId)}/*:${here}/heads/*`];
    const fetched = await this.git.try(['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--prune', '--', url, ...specs], {
      gitDir,
    });
    if (fetched.exitCode !== 0) throw fetchFault(fetched.stderr, target);
    const listed = await this.git.run(
      ['for-each-ref', '--format=%(refname)%09%(objectname)%09%(tree)%09%(committerdate:unix)', '--', `${here}/`],
      { gitDir },
    );
    const view = viewOf(listed, here);
    if (view.integration) this.remember(mirror, workflowId, view.integration.commit);
    return view;
  }
}

const keyOf = (mirror: Mirror, workflowId: WorkflowId): string => `${mirror.gitDir} ${workflowId}`;

function fetchFault(stderr: string, target: string): Fault {
  if (/couldn't find remote ref/.test(stderr)) return new RepositoryUnusable(`the repository has no branch ${target}`);
  if (/does not appear to be a git repository|repository .* not found|not allowed/i.test(stderr))
    return new RepositoryUnusable('there is no such repository, or it may not be read');
  return new GitFault('fetch', stderr.trim().slice(-600));
}

function viewOf(listed: string, here: string): RemoteView {
  const heads = new Map<string, Head>();
  for (const line of listed.split('\n')) {
    const [ref = '', commit = '', tree = '', date = ''] = line.split('\t');
    heads.set(ref.slice(here.length + 1), { commit, tree, date: Number(date) });
  }
  const target = heads.get('target');
  if (!target) throw new GitFault('for-each-ref', 'the target branch is missing after it was fetched');
  const own = [...heads].filter(([name]) => name.startsWith('heads/')).map(([name, head]) => [name.slice('heads/'.length), head] as const);
  const { integration, ...delivered } = Object.fromEntries(own);
  return { target, integration, delivered: new Map(Object.entries(delivered)) };
}
