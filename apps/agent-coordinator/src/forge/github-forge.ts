import type { ErrorType, WorkflowId } from '@taskmaster/contracts';
import type { Mirror } from '../workspace/mirrors.js';
import { integrationBranch } from '../names.js';
import { ForgeFault, type Forge, type PullRequest, type PullRequestDraft } from './forge.js';

const REQUEST_TIMEOUT_MS = 20_000;
const ADDRESS = /^(?:https:\/\/[^/]+\/|ssh:\/\/[^/]+\/|[^@/]+@[^:/]+:)([A-Za-z0-9_.-]+)\/([A-Za-z0-9_.-]+?)(?:\.git)?\/?$/;

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

interface RawPull {
  readonly number: number;
  readonly html_url: string;
  readonly title: string;
  readonly state: 'open' | 'closed';
  readonly merged?: boolean;
  readonly merged_at?: string | null;
  readonly head: { readonly ref: string; readonly sha: string };
  readonly base: { readonly ref: string };
}

/** Pull requests on GitHub or GitHub Enterprise, over its REST API. */
export class GithubForge implements Forge {
  constructor(private readonly settings: { readonly apiUrl: string; readonly token?: string }) {}

  async ensurePullRequest(mirror: Mirror, draft: PullRequestDraft): Promise<PullRequest> {
    const known = await this.find(mirror, { source: draft.source, target: draft.target });
    const { title, body } = draft;
    if (known) return pullOf(pullFrom(await this.ask(mirror, 'PATCH', `pulls/${String(known.number)}`, { title, body })));
    const opened = await this.request(mirror, 'POST', 'pulls', { title, body, head: draft.source, base: draft.target });
    if (opened.status === 201) return pullOf(pullFrom(opened.body));
    // Somebody opened it between our look and our request, or a retried request had been heard the first time.
    const now = opened.status === 422 ? await this.find(mirror, { source: draft.source, target: draft.target }) : undefined;
    if (now) return pullOf(now);
    throw faultOf(opened, 'the pull request could not be opened');
  }

  /** GitHub marks a pull request as merged by itself once its head has reached the base; until it has noticed there is nothing to say. */
  async recordMerged(mirror: Mirror, _workflowId: WorkflowId, merge: { readonly number: number; readonly commit: string }): Promise<void> {
    await this.ask(mirror, 'GET', `pulls/${String(merge.number)}`);
  }

  async close(mirror: Mirror, workflowId: WorkflowId): Promise<number | undefined> {
    const open = await this.find(mirror, { source: integrationBranch(workflowId), target: mirror.target });
    if (!open) return undefined;
    await this.ask(mirror, 'PATCH', `pulls/${String(open.number)}`, { state: 'closed' });
    return open.number;
  }

  /** `sha` makes GitHub refuse when the branch is no longer what was validated. */
  async mergeThere(mirror: Mirror, merge: { readonly number: number; readonly head: string; readonly title: string }): Promise<string> {
    const body = { sha: merge.head, merge_method: 'merge', commit_title: `Merge: ${merge.title}` };
    const { sha } = (await this.ask(mirror, 'PUT', `pulls/${String(merge.number)}/merge`, body)) as { sha?: unknown };
    if (typeof sha !== 'string')
      throw new ForgeFault({ type: 'internal', message: 'the forge merged without naming a commit', retryable: true });
    return sha;
  }

  private async find(mirror: Mirror, of: { readonly source: string; readonly target: string }): Promise<RawPull | undefined> {
    const { owner } = placeOf(mirror);
    const query = new URLSearchParams({ head: `${owner}:${of.source}`, base: of.target, state: 'open' });
    const listed = await this.ask(mirror, 'GET', `pulls?${query.toString()}`);
    return Array.isArray(listed) && listed.length > 0 ? pullFrom(listed[0]) : undefined;
  }

  private async ask(mirror: Mirror, method: string, path: string, body?: object): Promise<unknown> {
    const answer = await this.request(mirror, method, path, body);
    if (answer.status >= 200 && answer.status < 300) return answer.body;
    throw faultOf(answer, `the forge answered ${String(answer.status)}`);
  }

  private async request(mirror: Mirror, method: string, path: string, body?: object): Promise<Answer> {
    const { owner, name } = placeOf(mirror);
    const { apiUrl, token } = this.settings;
    const headers = {
      accept: 'application/vnd.github+json',
      'x-github-api-version': '2022-11-28',
      'user-agent': 'taskmaster',
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    try {
      const url = `${apiUrl.replace(/\/$/, '')}/repos/${owner}/${name}/${path}`;
      const response = await fetch(url, {
        method,
        headers,
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      const limited = response.status === 429 || (response.status === 403 && response.headers.get('x-ratelimit-remaining') === '0');
      if (limited) throw rateLimited(response.headers);
      return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
    } catch (error) {
      if (error instanceof ForgeFault) throw error;
      throw new ForgeFault({ type: 'network', message: 'the forge could not be reached', retryable: true }, { cause: error });
    }
  }
}

function placeOf(mirror: Mirror): { readonly owner: string; readonly name: string } {
  const [, owner, name] = ADDRESS.exec(mirror.url) ?? [];
  if (owner === undefined || name === undefined) {
    throw new ForgeFault({
      type: 'dependency',
      message: 'the repository is not an address on the forge: https://host/owner/name',
      retryable: false,
    });
  }
  return { owner, name };
}

function rateLimited(headers: Headers): ForgeFault {
  const after = Number(headers.get('retry-after'));
  const reset = Number(headers.get('x-ratelimit-reset')) * 1000 - Date.now();
  const retryAfterMs = after > 0 ? after * 1000 : Math.max(1000, reset);
  return new ForgeFault({ type: 'rate_limit', message: 'the forge asks to wait', retryable: true, retryAfterMs });
}

function faultOf(answer: Answer, message: string): ForgeFault {
  const said = (answer.body as { message?: unknown } | undefined)?.message;
  const type: ErrorType = answer.status >= 500 ? 'network' : 'dependency';
  return new ForgeFault({
    type,
    message: `${message}${typeof said === 'string' ? `: ${said.slice(0, 300)}` : ''}`,
    retryable: type === 'network',
  });
}

function pullFrom(body: unknown): RawPull {
  const pull = body as Partial<RawPull> | null;
  if (typeof pull?.number !== 'number' || typeof pull.head?.sha !== 'string' || typeof pull.base?.ref !== 'string') {
    throw new ForgeFault({ type: 'internal', message: 'the forge did not answer with a pull request', retryable: true });
  }
  return pull as RawPull;
}

const pullOf = (raw: RawPull): PullRequest => ({
  number: raw.number,
  url: raw.html_url,
  title: raw.title,
  source: raw.head.ref,
  target: raw.base.ref,
  head: raw.head.sha,
  state: raw.merged === true || typeof raw.merged_at === 'string' ? 'merged' : raw.state,
});
