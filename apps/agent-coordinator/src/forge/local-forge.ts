import type { WorkflowId } from '@taskmaster/contracts';
import { GitFault, type Git } from '../git.js';
import { slugOf } from '../names.js';
import type { Mirror } from '../workspace/mirrors.js';
import { push, PushContention, type RefChange } from '../workspace/push.js';
import type { Forge, PullRequest, PullRequestDraft } from './forge.js';

const TRIES_MAX = 50;
const WRITTEN_MAX = 1000;
const NUMBERED = /^refs\/tm\/pull\/(\d+)\/head$/;

/** A pull request as its record keeps it; `record` is the id of the blob. */
interface Kept {
  readonly pull: PullRequest & { readonly workflow: string; readonly body: string; readonly commit?: string; readonly reason?: string };
  readonly record: string;
  readonly headNow: string;
}

const headRef = (number: number): string => `refs/tm/pull/${String(number)}/head`;
const recordRef = (number: number): string => `refs/tm/pull/${String(number)}/record`;
const ofRef = (workflowId: WorkflowId): string => `refs/tm/pull-of/${slugOf(workflowId)}`;

/**
 * Pull requests as refs of the repository itself: `refs/tm/pull/<n>/head` and a JSON blob under `…/record`. Numbers are taken by
 * compare-and-set, and `refs/tm/pull-of/<workflow>` makes a workflow's second request find its first.
 */
export class LocalForge implements Forge {
  /** Records this process has written last, by remote and ref. A hint: compare-and-set finds out when one is old. */
  private readonly written = new Map<string, Kept>();

  constructor(private readonly git: Git) {}

  async ensurePullRequest(mirror: Mirror, draft: PullRequestDraft): Promise<PullRequest> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const { kept, last } = await this.find(mirror, draft.workflowId);
      if (kept) {
        const same = kept.headNow === draft.head && kept.pull.title === draft.title && kept.pull.state === 'open';
        const next = { ...kept.pull, title: draft.title, body: draft.body, head: draft.head, state: 'open' as const };
        if (same || (await this.replace(mirror, kept, next))) return publicOf(next);
        continue;
      }
      const number = last + 1;
      const { workflowId, ...rest } = draft;
      const pull = { number, url: `${mirror.url}#pull/${String(number)}`, ...rest, state: 'open' as const, workflow: workflowId };
      const blob = await this.store(mirror, pull);
      const opened = await this.change(mirror, [
        { ref: headRef(number), from: '', to: draft.head },
        { ref: recordRef(number), from: '', to: blob },
        { ref: ofRef(workflowId), from: '', to: blob },
      ]);
      if (opened) {
        this.note(mirror, { pull, record: blob, headNow: draft.head });
        return publicOf(pull);
      }
    }
    throw new PushContention('pull request numbers kept being taken');
  }

  async recordMerged(mirror: Mirror, workflowId: WorkflowId, merge: { readonly number: number; readonly commit: string }): Promise<void> {
    await this.settle(mirror, workflowId, { state: 'merged', commit: merge.commit });
  }

  close(mirror: Mirror, workflowId: WorkflowId, reason: string): Promise<number | undefined> {
    return this.settle(mirror, workflowId, { state: 'closed', reason });
  }

  private async settle(mirror: Mirror, workflowId: WorkflowId, change: Partial<Kept['pull']>): Promise<number | undefined> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const kept = this.take(mirror, workflowId) ?? (await this.find(mirror, workflowId)).kept;
      if (kept?.pull.state !== 'open') return undefined;
      if (await this.replace(mirror, kept, { ...kept.pull, ...change })) return kept.pull.number;
    }
    throw new PushContention('the record of the pull request kept changing');
  }

  private async replace(mirror: Mirror, kept: Kept, pull: Kept['pull']): Promise<boolean> {
    const blob = await this.store(mirror, pull);
    const moved = pull.head === kept.headNow ? [] : [{ ref: headRef(pull.number), from: kept.headNow, to: pull.head }];
    const replaced = await this.change(mirror, [
      ...moved,
      { ref: recordRef(pull.number), from: kept.record, to: blob },
      { ref: `refs/tm/pull-of/${slugOf(pull.workflow)}`, from: kept.record, to: blob },
    ]);
    if (replaced) this.note(mirror, { pull, record: blob, headNow: pull.head });
    return replaced;
  }

  private note(mirror: Mirror, kept: Kept): void {
    this.written.set(`${mirror.url} ${kept.pull.workflow}`, kept);
    const oldest = this.written.keys().next();
    if (this.written.size > WRITTEN_MAX && oldest.done !== true) this.written.delete(oldest.value);
  }

  /** Used once: whoever fails with it looks at the remote. */
  private take(mirror: Mirror, workflowId: WorkflowId): Kept | undefined {
    const key = `${mirror.url} ${workflowId}`;
    const kept = this.written.get(key);
    this.written.delete(key);
    return kept;
  }

  /** The workflow's record, and the highest number in use. */
  private async find(mirror: Mirror, workflowId: WorkflowId): Promise<{ kept: Kept | undefined; last: number }> {
    const own = ofRef(workflowId);
    const listed = await this.git.run(['ls-remote', '--', mirror.url, 'refs/tm/pull/*/head', own], { gitDir: mirror.gitDir });
    const refs = new Map(
      listed
        .split('\n')
        .map((line) => line.split('\t'))
        .map(([id = '', ref = '']) => [ref, id] as const),
    );
    const last = Math.max(0, ...[...refs.keys()].map((ref) => Number(NUMBERED.exec(ref)?.[1] ?? 0)));
    const record = refs.get(own);
    if (record === undefined) return { kept: undefined, last };
    const here = `refs/tm-remote/${slugOf(workflowId)}/pull`;
    await this.git.run(['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--', mirror.url, `+${own}:${here}`], {
      gitDir: mirror.gitDir,
    });
    const pull = parseRecord(await this.git.run(['cat-file', 'blob', record], { gitDir: mirror.gitDir }));
    return { kept: { pull, record, headNow: refs.get(headRef(pull.number)) ?? '' }, last };
  }

  private store(mirror: Mirror, pull: Kept['pull']): Promise<string> {
    return this.git.run(['hash-object', '-w', '--stdin'], { gitDir: mirror.gitDir, stdin: `${JSON.stringify(pull, null, 2)}\n` });
  }

  private async change(mirror: Mirror, changes: readonly RefChange[]): Promise<boolean> {
    const pushed = await push(this.git, mirror.gitDir, mirror.url, changes);
    if (pushed.kind === 'refused') throw new GitFault('push', `the remote refuses our records: ${pushed.reason}`);
    return pushed.kind === 'pushed';
  }
}

function parseRecord(text: string): Kept['pull'] {
  const pull = JSON.parse(text) as Partial<Kept['pull']>;
  if (typeof pull.number !== 'number' || typeof pull.workflow !== 'string')
    throw new GitFault('cat-file', 'the record of the pull request is not ours');
  return pull as Kept['pull'];
}

const publicOf = ({ number, url, title, source, target, head, state }: PullRequest): PullRequest => ({
  number,
  url,
  title,
  source,
  target,
  head,
  state,
});
