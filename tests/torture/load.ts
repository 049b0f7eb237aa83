import { setTimeout as pause } from 'node:timers/promises';
import type { PlanDraft, StepDraft } from '@taskmaster/contracts';
import { eventually, makeRepository, type TestRepository } from '@taskmaster/testing';
import type { HttpClient } from '../platform/http-client.js';

const REQUIREMENTS = [
  'Create a REST API for user management with authentication, including login, registration, and password reset functionality',
  'Add a shopping cart with discounts and a checkout that sends an invoice',
  'Build a search over articles with filters, paging and a cache',
  'Write an export of monthly reports as CSV and PDF',
  'Send a reminder by e-mail when an appointment is near',
];

/** A little package whose test passes and takes no time. */
export const sampleRepository = (): Promise<TestRepository> =>
  makeRepository({
    bare: true,
    files: {
      'package.json': JSON.stringify({ name: 'sample', version: '1.0.0', type: 'module', scripts: { test: 'node --test' } }, null, 2),
      'src/sum.js': 'export const sum = (a, b) => a + b;\n',
      'test/sum.test.js':
        "import assert from 'node:assert';\nimport test from 'node:test';\nimport { sum } from '../src/sum.js';\n\ntest('adds', () => assert.equal(sum(1, 2), 3));\n",
    },
  });

/** A chain of no-op steps and of commands that take a while, so that attempts are open whenever something is killed. */
function slowPlan(links: number): PlanDraft {
  const retry = { maxAttempts: 20, initialIntervalMs: 200, multiplier: 1 };
  const steps = Array.from({ length: links }, (_, index): StepDraft => {
    const input = index % 2 === 0 ? { builtin: 'noop' } : { command: ['sleep', '2'] };
    return { id: `s${String(index + 1)}`, kind: 'command.run', input, dependsOn: index === 0 ? [] : [`s${String(index)}`], retry };
  });
  return { steps };
}

/** What a client keeps of an answer "accepted". */
export interface Submission {
  readonly id: string;
  readonly key: string;
  readonly body: object;
  readonly profile: 'cicd' | 'simple';
  readonly repository?: TestRepository;
}

const ACCEPT_MS_MAX = 60_000;

/** Hands one workflow in, again and again until it is accepted; the same key makes a repeated request the same request. */
export async function submit(client: HttpClient, key: string, body: object): Promise<string> {
  return eventually(
    async () => {
      const { status, body: answer } = await client.call('POST', '/api/workflows/execute', { body, headers: { 'idempotency-key': key } });
      const id = (answer as { readonly id?: string } | undefined)?.id;
      if (status < 300 && id !== undefined) return id;
      throw new Error(`answered ${String(status)}: ${JSON.stringify(answer)}`);
    },
    { deadlineMs: ACCEPT_MS_MAX, what: `the acceptance of ${key}` },
  );
}

export interface LoadOptions {
  readonly cicd: number;
  readonly simple: number;
  readonly repositories: readonly TestRepository[];
  /** Steps of a simple workflow. */
  readonly links: number;
}

/** Hands everything in at once and answers what was accepted. */
export async function submitAll(client: HttpClient, { cicd, simple, repositories, links }: LoadOptions): Promise<readonly Submission[]> {
  const ofCicd = Array.from({ length: cicd }, async (_, index): Promise<Submission> => {
    const repository = repositories[index % repositories.length];
    // Each repository gets every requirement once: what another workflow has merged already would be already there.
    const turn = Math.floor(index / repositories.length);
    const requirement = `Part ${String(turn + 1)}. ${REQUIREMENTS[turn % REQUIREMENTS.length] ?? ''}`;
    const body = { profile: 'cicd', requirement, repository: { url: repository?.path, branch: repository?.branch, forge: 'local' } };
    const key = `torture-cicd-${String(index)}`;
    return { id: await submit(client, key, body), key, body, profile: 'cicd', ...(repository === undefined ? {} : { repository }) };
  });
  const ofSimple = Array.from({ length: simple }, async (_, index): Promise<Submission> => {
    const body = { profile: 'simple', title: `chain ${String(index + 1)}`, plan: slowPlan(links) };
    const key = `torture-simple-${String(index)}`;
    return { id: await submit(client, key, body), key, body, profile: 'simple' };
  });
  return Promise.all([...ofCicd, ...ofSimple]);
}

export interface Visitor {
  /** Leaves, and says what was accepted meanwhile and how long the longest acceptance took. */
  leave(): Promise<{ readonly accepted: readonly Submission[]; readonly longestMs: number }>;
}

const VISIT_EVERY_MS = 250;

/** A client that keeps coming with small workflows while everything is killed, so that some of its answers are lost on the way. */
export function visit(client: HttpClient): Visitor {
  const leaving = new AbortController();
  const accepted: Submission[] = [];
  let longestMs = 0;
  const stay = async (): Promise<void> => {
    while (!leaving.signal.aborted) {
      const key = `torture-visit-${String(accepted.length)}`;
      const body = { profile: 'simple', title: key, plan: { steps: [{ id: 'only', kind: 'command.run', input: { builtin: 'noop' } }] } };
      const began = performance.now();
      accepted.push({ id: await submit(client, key, body), key, body, profile: 'simple' });
      longestMs = Math.max(longestMs, performance.now() - began);
      await pause(VISIT_EVERY_MS, undefined, { signal: leaving.signal }).catch(() => undefined);
    }
  };
  const staying = stay();
  staying.catch(() => undefined);
  return {
    leave: async () => {
      leaving.abort();
      await staying;
      return { accepted, longestMs };
    },
  };
}
