import type { LogReport, WorkflowView } from '@taskmaster/contracts';
import { eventually } from '@taskmaster/testing';
import { httpClient, type HttpClient } from '../platform/http-client.js';
import { startPlatformUnderTest, type PlatformUnderTest } from '../platform/platform-under-test.js';
import { KILLS, killAndWait } from './kills.js';
import { sampleRepository, submitAll, type Submission } from './load.js';
import { LogChecks } from './log-checks.js';

export interface KillRunOptions {
  readonly cicd: number;
  readonly simple: number;
  readonly repositories: number;
  /** Steps of a simple workflow; enough that work is open until the last kill. */
  readonly links: number;
  readonly say: (text: string) => void;
}

/** What a run found; `violations` is empty when everything that must hold held. */
export interface KillRunReport {
  readonly kills: readonly { readonly name: string; readonly position: number; readonly openAttempts: number }[];
  readonly finished: number;
  readonly events: number;
  readonly elapsedMs: number;
  readonly violations: readonly string[];
}

const OPEN_WORK_MS_MAX = 60_000;
const FINISH_MS_MAX = 600_000;
const THINK_MS = '1500';

/** Starts a platform with two state-services, fills it with work, kills everything once, and judges what is in the log afterwards. */
export async function killRun(options: KillRunOptions): Promise<KillRunReport> {
  const begin = performance.now();
  const repositories = await Promise.all(Array.from({ length: options.repositories }, sampleRepository));
  const platform = await startPlatformUnderTest({
    env: { MAX_CONCURRENT_WORKFLOWS: '200', SIMULATED_AGENT_THINK_MS: THINK_MS, SIMULATED_AGENT_SESSIONS: '8' },
    simulatedAgent: 'always',
    replicas: { 'state-service': 2 },
    onProgress: options.say,
  });
  const client = httpClient(platform.address, platform.apiKey);
  const log = new LogChecks(platform.databaseUrl);
  let isClean = false;
  try {
    const submissions = await submitAll(client, { ...options, repositories });
    options.say(`${String(submissions.length)} workflows accepted`);
    const killed = await killEverything({ platform, client, log, say: options.say });
    const unfinished = await waitForAll(client, submissions, options.say);
    const violations = [...unfinished, ...(await judge({ client, log, submissions, killed }))];
    const kills = await Promise.all(
      killed.map(async ({ name, position }) => ({ name, position, openAttempts: await log.openAttemptsAt(position) })),
    );
    isClean = violations.length === 0;
    return {
      kills,
      finished: submissions.length - unfinished.length,
      events: await log.head(),
      elapsedMs: performance.now() - begin,
      violations,
    };
  } finally {
    client.close();
    await log.close();
    await (isClean ? platform.discard() : platform.stop());
    if (isClean) await Promise.all(repositories.map((repository) => repository.remove()));
    else options.say(`kept for a look: ${platform.data}`);
  }
}

interface Killed {
  readonly name: string;
  /** Where the log ended when it was killed. */
  readonly position: number;
}

interface Stage {
  readonly platform: PlatformUnderTest;
  readonly client: HttpClient;
  readonly log: LogChecks;
  readonly say: (text: string) => void;
}

async function killEverything({ platform, client, log, say }: Stage): Promise<readonly Killed[]> {
  const killed: Killed[] = [];
  for (const kill of KILLS) {
    const position = await eventually(
      async () => {
        const head = await log.head();
        const hasMoved = head > (killed.at(-1)?.position ?? 0);
        return hasMoved && (await log.openAttemptsAt(head)) > 0 ? head : undefined;
      },
      { deadlineMs: OPEN_WORK_MS_MAX, what: `progress and an open attempt before ${kill.name} is killed` },
    );
    const begin = performance.now();
    await killAndWait(platform, client, kill);
    say(`killed ${kill.name} at position ${String(position)}; whole again after ${String(Math.round(performance.now() - begin))} ms`);
    killed.push({ name: kill.name, position });
  }
  return killed;
}

/** Waits until every workflow has ended; answers those that did not complete, and why. */
async function waitForAll(client: HttpClient, submissions: readonly Submission[], say: (text: string) => void): Promise<readonly string[]> {
  const views = new Map<string, WorkflowView>();
  const look = async (): Promise<boolean> => {
    for (const { id } of submissions) {
      if (views.get(id)?.outcome !== undefined) continue;
      const { status, body } = await client.call('GET', `/api/workflows/${id}`);
      if (status === 200) views.set(id, body as WorkflowView);
    }
    return submissions.every(({ id }) => views.get(id)?.outcome !== undefined);
  };
  await eventually(look, { deadlineMs: FINISH_MS_MAX, what: 'the end of every workflow' }).catch((error: unknown) => {
    say((error as Error).message);
  });
  return submissions.flatMap(({ id, profile }) => {
    const view = views.get(id);
    return view?.outcome === 'completed' ? [] : [`${profile} ${id} ${view === undefined ? 'was never seen' : endOf(view)}`];
  });
}

const endOf = ({ outcome, status, state, reason }: WorkflowView): string =>
  `is ${outcome ?? status} in state ${state}: ${reason ?? 'no reason'}`;

interface Judgement {
  readonly client: HttpClient;
  readonly log: LogChecks;
  readonly submissions: readonly Submission[];
  readonly killed: readonly Killed[];
}

async function judge({ client, log, submissions, killed }: Judgement): Promise<readonly string[]> {
  const violations: string[] = [];
  const requested = await log.requestedWorkflows();
  for (const { id } of submissions) if (!requested.has(id)) violations.push(`workflow ${id} was accepted and is not in the log`);
  if (requested.size !== submissions.length)
    violations.push(`the log holds ${String(requested.size)} workflows, accepted were ${String(submissions.length)}`);
  for (const { name, position } of killed) {
    if ((await log.openAttemptsAt(position)) === 0) violations.push(`no attempt was open when ${name} was killed`);
  }
  for (const { stream, step, attempt, starts, settlements } of await log.repeatedAttempts()) {
    violations.push(
      `${stream}: attempt ${String(attempt)} of ${step} was started ${String(starts)} and settled ${String(settlements)} times`,
    );
  }
  const { status, body } = await client.call('POST', '/api/audit/verify', { body: {} });
  if (status >= 300) return [...violations, `the invariants could not be checked: ${JSON.stringify(body)}`];
  for (const { number, name, violations: found } of (body as LogReport).invariants) {
    for (const violation of found) violations.push(`invariant ${String(number)} (${name}): ${violation}`);
  }
  return violations;
}
