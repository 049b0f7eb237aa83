import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { WorkflowView } from '@taskmaster/contracts';
import type { TestRepository } from '@taskmaster/testing';
import type { LogChecks } from './log-checks.js';

const run = promisify(execFile);
const MERGE_TRAILER = '%(trailers:key=TaskMaster-Merge,valueonly,separator=%x20)';
const TESTS_MS_MAX = 60_000;

export interface Delivered {
  readonly id: string;
  readonly view: WorkflowView;
}

/** Compares what the log says was merged with what git says: both ways, and the target has to pass its own tests. */
export async function judgeRepository(
  repository: TestRepository,
  delivered: readonly Delivered[],
  log: LogChecks,
): Promise<readonly string[]> {
  const { branch } = repository;
  const history = new Set((await repository.git('rev-list', branch)).split('\n'));
  const merges = (await repository.git('log', '--first-parent', `--format=${MERGE_TRAILER}`, branch))
    .split('\n')
    .filter((line) => line !== '');
  const mergedIds = merges.map((line) => line.trim().split('/')[0] ?? '');
  const violations: string[] = [];
  for (const { id, view } of delivered) {
    const wrong = whyNotOn(history, view, await log.stepCommits(id));
    const times = mergedIds.filter((merged) => merged === id).length;
    if (times !== 1) wrong.push(`it was merged ${String(times)} times`);
    violations.push(...wrong.map((what) => `${id} and ${branch}: ${what}`));
  }
  if (merges.length !== delivered.length)
    violations.push(`${branch} holds ${String(merges.length)} merges of ${String(delivered.length)} workflows`);
  return [...violations, ...(await testTarget(repository))];
}

function whyNotOn(history: ReadonlySet<string>, { pullRequest }: WorkflowView, stepCommits: readonly string[]): string[] {
  const wrong = stepCommits.filter((commit) => !history.has(commit)).map((commit) => `the commit ${commit} of a step is not there`);
  if (stepCommits.length === 0) wrong.push('no step reported a commit');
  const merged = pullRequest?.state === 'merged' ? pullRequest.commit : undefined;
  if (merged === undefined) wrong.push('no merged pull request is shown');
  else if (!history.has(merged)) wrong.push(`the merged commit ${merged} is not there`);
  return wrong;
}

/** Checks the target branch out and runs its tests. */
async function testTarget(repository: TestRepository): Promise<readonly string[]> {
  const place = join(repository.path, '..', 'checkout');
  await repository.git('worktree', 'add', '--quiet', '--detach', place, repository.branch);
  try {
    await run(process.execPath, ['--test'], { cwd: place, timeout: TESTS_MS_MAX, env: { PATH: process.env['PATH'] } });
    return [];
  } catch (error) {
    return [
      `the tests of ${repository.branch} fail after all merges: ${(error as { stdout?: string }).stdout?.slice(-500) ?? String(error)}`,
    ];
  } finally {
    await repository.git('worktree', 'remove', '--force', place).catch(() => rm(place, { recursive: true, force: true }));
  }
}
