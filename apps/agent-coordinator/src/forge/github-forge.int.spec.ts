import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { WorkflowId } from '@taskmaster/contracts';
import type { Mirror } from '../workspace/mirrors.js';
import { ForgeFault } from './forge.js';
import { GithubForge } from './github-forge.js';

const MIRROR: Mirror = { gitDir: '/nowhere', url: 'https://github.com/acme/shop.git', target: 'main' };
const DRAFT = {
  workflowId: 'wf_1' as WorkflowId,
  title: 'Add a check',
  body: 'Why.',
  source: 'tm/wf_1/integration',
  target: 'main',
  head: 'a'.repeat(40),
};

/** Speaks the few routes of GitHub's REST API that we use, with its status codes. */
class WireTwin {
  readonly heard: { method: string; path: string; body: Record<string, unknown>; authorization: string | undefined }[] = [];
  pulls: Record<string, unknown>[] = [];
  refusal: { status: number; headers: Record<string, string>; body: object } | undefined;
  private readonly server: Server = createServer((request, response) => void this.answer(request, response));

  listen(): Promise<string> {
    return new Promise((resolve) =>
      this.server.listen(0, '127.0.0.1', () => {
        resolve(`http://127.0.0.1:${String((this.server.address() as AddressInfo).port)}`);
      }),
    );
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => {
        resolve();
      });
    });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
    const path = request.url ?? '';
    this.heard.push({ method: request.method ?? '', path, body, authorization: request.headers.authorization });
    const { status, headers, body: answer } = this.refusal ?? this.route(request.method ?? '', path, body);
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(answer));
  }

  private route(
    method: string,
    path: string,
    body: Record<string, unknown>,
  ): { status: number; headers: Record<string, string>; body: object } {
    const found = (status: number, answer: object): ReturnType<WireTwin['route']> => ({ status, headers: {}, body: answer });
    const url = new URL(path, 'http://x');
    const number = Number(/pulls\/(\d+)/.exec(url.pathname)?.[1] ?? 0);
    const pull = this.pulls[number - 1];
    if (method === 'GET' && url.pathname.endsWith('/pulls')) {
      return found(
        200,
        this.pulls.filter(
          (candidate) =>
            candidate['state'] === url.searchParams.get('state') &&
            url.searchParams.get('head') === `acme:${String((candidate['head'] as { ref: string }).ref)}`,
        ),
      );
    }
    if (method === 'POST' && url.pathname.endsWith('/pulls')) {
      const made = {
        number: this.pulls.length + 1,
        html_url: `https://github.com/acme/shop/pull/${String(this.pulls.length + 1)}`,
        title: body['title'],
        state: 'open',
        merged: false,
        merged_at: null,
        head: { ref: body['head'], sha: 'a'.repeat(40) },
        base: { ref: body['base'] },
      };
      this.pulls.push(made);
      return found(201, made);
    }
    return pull ? this.one(method, pull, body) : found(404, { message: 'Not Found' });
  }

  private one(method: string, pull: Record<string, unknown>, body: Record<string, unknown>): ReturnType<WireTwin['route']> {
    const same = body['sha'] === (pull['head'] as { sha: string }).sha;
    if (method === 'PUT' && !same)
      return { status: 409, headers: {}, body: { message: 'Head branch was modified. Review and try the merge again.' } };
    if (method === 'PUT') return { status: 200, headers: {}, body: { sha: 'b'.repeat(40), merged: true } };
    if (method === 'PATCH') Object.assign(pull, body);
    return { status: 200, headers: {}, body: pull };
  }
}

describe('pull requests on GitHub', () => {
  let twin: WireTwin;
  let forge: GithubForge;
  beforeEach(async () => {
    twin = new WireTwin();
    forge = new GithubForge({ apiUrl: await twin.listen(), token: 'secret-token' });
  });
  afterEach(async () => {
    await twin.close();
  });

  it('opens one and finds it again', async () => {
    const first = await forge.ensurePullRequest(MIRROR, DRAFT);
    const again = await forge.ensurePullRequest(MIRROR, { ...DRAFT, title: 'A better title' });
    expect(first).toMatchObject({
      number: 1,
      url: 'https://github.com/acme/shop/pull/1',
      source: DRAFT.source,
      target: 'main',
      state: 'open',
    });
    expect(again).toMatchObject({ number: 1, title: 'A better title' });
    expect(
      twin.heard.every(({ path, authorization }) => path.startsWith('/repos/acme/shop/') && authorization === 'Bearer secret-token'),
    ).toBe(true);
  });

  it('closes the open one, and has nothing to close afterwards', async () => {
    await forge.ensurePullRequest(MIRROR, DRAFT);
    expect(await forge.close(MIRROR, DRAFT.workflowId)).toBe(1);
    expect(await forge.close(MIRROR, DRAFT.workflowId)).toBeUndefined();
  });

  it('merges there only the head that was validated', async () => {
    await forge.ensurePullRequest(MIRROR, DRAFT);
    expect(await forge.mergeThere(MIRROR, { number: 1, head: DRAFT.head, title: 'x' })).toBe('b'.repeat(40));
    await expect(forge.mergeThere(MIRROR, { number: 1, head: 'c'.repeat(40), title: 'x' })).rejects.toThrow(/Head branch was modified/);
  });

  it('hands on how long GitHub asks to wait', async () => {
    twin.refusal = { status: 429, headers: { 'retry-after': '7' }, body: { message: 'slow down' } };
    const fault = await forge.ensurePullRequest(MIRROR, DRAFT).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(ForgeFault);
    expect((fault as ForgeFault).error).toMatchObject({ type: 'rate_limit', retryable: true, retryAfterMs: 7000 });
  });

  it('tells a refusal from an outage, and never repeats the token', async () => {
    const errors: unknown[] = [];
    for (const status of [401, 503]) {
      twin.refusal = { status, headers: {}, body: { message: 'no' } };
      errors.push(await forge.ensurePullRequest(MIRROR, DRAFT).catch((error: unknown) => (error as ForgeFault).error));
    }
    expect(errors).toMatchObject([
      { type: 'dependency', retryable: false },
      { type: 'network', retryable: true },
    ]);
    expect(JSON.stringify(errors)).not.toContain('secret-token');
  });

  it('says so when the repository is not on a forge', async () => {
    await expect(forge.ensurePullRequest({ ...MIRROR, url: '/srv/repo.git' }, DRAFT)).rejects.toThrow(/owner\/name/);
  });
});
