import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { LogReport, WorkflowView } from '@taskmaster/contracts';
import { eventually, makeRepository, type TestRepository } from '@taskmaster/testing';
import { httpClient, type HttpClient } from '../platform/http-client.js';
import { startPlatformUnderTest, type PlatformUnderTest } from '../platform/platform-under-test.js';

const START_MS_MAX = 120_000;
const DELIVERY_MS_MAX = 120_000;

let platform: PlatformUnderTest;
let client: HttpClient;
let scratch: string;
const repositories: TestRepository[] = [];

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'taskmaster-e2e-'));
  platform = await startPlatformUnderTest({ simulatedAgent: 'always' });
  client = httpClient(platform.address, platform.apiKey);
}, START_MS_MAX);

afterAll(async () => {
  client.close();
  await platform.discard();
  await Promise.all(repositories.map((repository) => repository.remove()));
  await rm(scratch, { recursive: true, force: true });
}, START_MS_MAX);

async function repositoryOf(files: Readonly<Record<string, string>>): Promise<TestRepository> {
  const repository = await makeRepository({ bare: true, branch: 'trunk', files });
  repositories.push(repository);
  return repository;
}

/** Hands a requirement in. @returns the workflow's id */
const submit = (repository: TestRepository, request: object): Promise<string> =>
  submitAs({ profile: 'cicd', repository: { url: repository.path, branch: repository.branch, forge: 'local' }, ...request });

async function submitAs(body: object): Promise<string> {
  const { status, body: accepted } = await client.call('POST', '/api/workflows/execute', { body });
  expect({ status, accepted }).toMatchObject({ status: 202, accepted: { id: expect.any(String) } });
  return (accepted as WorkflowView).id;
}

/** Waits until the workflow is as wanted. */
const until = (id: string, wanted: (view: WorkflowView) => boolean): Promise<WorkflowView> =>
  eventually(
    async () => {
      const view = (await client.call('GET', `/api/workflows/${id}`)).body as WorkflowView;
      return wanted(view) ? view : undefined;
    },
    { deadlineMs: DELIVERY_MS_MAX, what: `the state of ${id}` },
  );

const ended = (view: WorkflowView): boolean => view.outcome !== undefined;

/** Hands a requirement in and waits for the end of its workflow. */
const deliver = async (repository: TestRepository, request: object): Promise<WorkflowView> =>
  until(await submit(repository, request), ended);

describe('a requirement for a repository that nobody here has seen', () => {
  it(
    'becomes a merged commit, whatever its language and its test command are',
    async () => {
      const repository = await repositoryOf({
        'greet.sh': '#!/bin/sh\nprintf "hello %s\\n" "$1"\n',
        'check.sh':
          '#!/bin/sh\nset -e\ntest "$(./greet.sh you)" = "hello you"\nfor file in $(find . -name "*.sh" -not -path "./.git/*"); do sh -n "$file"; done\n',
      });
      const before = await repository.git('rev-parse', 'trunk');
      const view = await deliver(repository, {
        requirement: 'Add a farewell command and a help text',
        options: { validation: [{ name: 'check', command: ['sh', 'check.sh'] }] },
      });
      expect({ outcome: view.outcome, reason: view.reason, state: view.state }).toMatchObject({ outcome: 'completed', state: 'merged' });
      const merged = await repository.git('rev-parse', 'trunk');
      expect(view.pullRequest).toMatchObject({ state: 'merged', target: 'trunk', commit: merged });
      expect(await repository.git('merge-base', before, merged)).toBe(before);
      expect(await repository.git('diff', '--name-only', before, merged)).not.toBe('');
      expect(view.validations.at(-1)).toMatchObject({ passed: true });
    },
    DELIVERY_MS_MAX,
  );
});

describe('a change whose validation fails', () => {
  it(
    'is repaired by steps that are added to the plan, validated again, and merged',
    async () => {
      const repository = await repositoryOf({ 'README.md': '# Sample\n' });
      const seen = join(scratch, 'validated-once');
      const planted = `if [ -f "${seen}" ]; then exit 0; fi; touch "${seen}"; echo "planted: the total is off by one"; exit 1`;
      const view = await deliver(repository, {
        requirement: 'Add a total to the invoice',
        options: { validation: [{ name: 'totals', command: ['sh', '-c', planted] }] },
      });
      expect({ outcome: view.outcome, reason: view.reason }).toMatchObject({ outcome: 'completed' });
      expect(view.validations.map(({ passed }) => passed)).toEqual([false, true]);
      const { body: history } = await client.call('GET', `/api/workflows/${view.id}/history`);
      const states = (history as { readonly transitions: readonly { readonly to: string }[] }).transitions.map(({ to }) => to);
      const failedAt = states.indexOf('validation_failed');
      expect(failedAt).toBeGreaterThan(0);
      expect(states.slice(failedAt)).toEqual([
        'validation_failed',
        'processing',
        'pr_created',
        'validation_running',
        'validation_passed',
        'merged',
      ]);
      expect(await repository.git('rev-parse', 'trunk')).toBe(view.pullRequest?.commit);
    },
    DELIVERY_MS_MAX,
  );

  it(
    'is escalated and not merged when the fixes are exhausted',
    async () => {
      const repository = await repositoryOf({ 'README.md': '# Sample\n' });
      const before = await repository.git('rev-parse', 'trunk');
      const view = await deliver(repository, {
        requirement: 'Add a total to the invoice',
        options: { maxFixCycles: 1, escalationTimeoutMs: 1_000, validation: [{ name: 'never', command: ['false'] }] },
      });
      expect(view.outcome).toBe('failed');
      expect(view.validations.map(({ passed }) => passed)).toEqual([false, false]);
      expect(await repository.git('rev-parse', 'trunk')).toBe(before);
    },
    DELIVERY_MS_MAX,
  );

  it(
    'goes on for one more cycle, or ends, as the person who was asked decides',
    async () => {
      const repository = await repositoryOf({ 'README.md': '# Sample\n' });
      const id = await submit(repository, {
        requirement: 'Add a discount to the invoice',
        options: { maxFixCycles: 0, validation: [{ name: 'never', command: ['false'] }] },
      });
      const first = await until(id, ({ escalation }) => escalation !== undefined);
      expect(first.status).toBe('waiting');
      expect((await client.call('PUT', `/api/workflows/${id}/escalation`, { body: { decision: 'retry' } })).status).toBe(200);
      const second = await until(
        id,
        ({ escalation }) => escalation !== undefined && escalation.escalationId !== first.escalation?.escalationId,
      );
      expect(second.validations).toHaveLength(2);
      expect((await client.call('PUT', `/api/workflows/${id}/escalation`, { body: { decision: 'fail', note: 'enough' } })).status).toBe(
        200,
      );
      expect(await until(id, ended)).toMatchObject({ outcome: 'failed', reason: 'enough' });
    },
    DELIVERY_MS_MAX,
  );
});

describe('a step of a given plan that fails', () => {
  it.each([
    ['escalate', 'waiting'],
    ['block', 'blocked'],
  ])(
    'is asked about, and tried once more when the person says so: %s',
    async (onFailure, status) => {
      const mended = join(scratch, onFailure);
      const command = ['test', '-e', mended];
      const fragile = { id: 'fragile', kind: 'command.run', input: { command }, retry: { maxAttempts: 1 }, onFailure };
      const after = { id: 'after', kind: 'command.run', input: { builtin: 'noop' }, dependsOn: ['fragile'] };
      const id = await submitAs({ profile: 'simple', plan: { steps: [fragile, after] } });
      expect(await until(id, (view) => view.escalation !== undefined || ended(view))).toMatchObject({
        status,
        escalation: { stepId: 'fragile' },
      });
      await writeFile(mended, '');
      expect((await client.call('PUT', `/api/workflows/${id}/escalation`, { body: { decision: 'retry' } })).status).toBe(200);
      expect((await until(id, ended)).steps.map((step) => [step.id, step.status, step.attempt])).toEqual([
        ['fragile', 'succeeded', 2],
        ['after', 'succeeded', 1],
      ]);
    },
    DELIVERY_MS_MAX,
  );
});

describe('a plan with workflows in it', () => {
  it(
    'delivers each of them by a pull request of its own, side by side into one repository, before it goes on',
    async () => {
      const repository = await repositoryOf({ 'README.md': '# Sample\n', 'check.sh': 'exit 0\n' });
      const child = (id: string, requirement: string): object => ({ id, kind: 'workflow.run', input: { requirement, profile: 'cicd' } });
      const id = await submitAs({
        plan: {
          steps: [
            child('left', 'Add a greeting'),
            child('right', 'Add a farewell'),
            { id: 'last', kind: 'command.run', input: { builtin: 'noop' }, dependsOn: ['left', 'right'] },
          ],
        },
        repository: { url: repository.path, branch: repository.branch, forge: 'local' },
        options: { validation: [{ name: 'check', command: ['sh', 'check.sh'] }] },
      });
      const view = await until(id, ended);
      expect({ outcome: view.outcome, reason: view.reason }).toMatchObject({ outcome: 'completed' });
      const head = await repository.git('rev-parse', 'trunk');
      for (const name of ['left', 'right']) {
        const step = view.steps.find((each) => each.id === name);
        const inner = await until(step?.childWorkflowId ?? '', ended);
        expect(inner).toMatchObject({
          outcome: 'completed',
          state: 'merged',
          parent: { workflowId: id, stepId: name, attempt: 1, depth: 1 },
        });
        const commit = inner.pullRequest?.commit ?? '';
        expect(await repository.git('merge-base', commit, head)).toBe(commit);
      }
      const { body } = await client.call('POST', '/api/audit/verify', { body: {} });
      expect((body as LogReport).invariants.flatMap(({ violations }) => violations)).toEqual([]);
    },
    DELIVERY_MS_MAX,
  );
});
