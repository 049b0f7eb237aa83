import type { WorkflowView } from '@taskmaster/contracts';
import { eventually, type TestRepository } from '@taskmaster/testing';
import { httpClient, type HttpClient } from '../platform/http-client.js';
import { unlessEnded } from '../platform/interruption.js';
import { startPlatformUnderTest, type PlatformUnderTest } from '../platform/platform-under-test.js';
import { judgeLog, judgeMerges } from './judge.js';
import { killAndWait, killsOf } from './kills.js';
import { sampleRepository, submit, submitAll, visit, type Submission } from './load.js';
import { LogChecks, type InFlight } from './log-checks.js';

export interface KillRunOptions {
  readonly cicd: number;
  readonly simple: number;
  readonly repositories: number;
  /** Steps of a simple workflow; enough that work is open until the last kill. */
  readonly links: number;
  /** How long the simulated agent thinks; enough that few cicd workflows, too, are open until the last kill. */
  readonly thinkMs?: number;
  /** Whether state-service and agent-coordinator are one process, as `task-master up` runs them. */
  readonly together?: boolean;
  /** Kill only what has a name that starts so. */
  readonly only?: string;
  /** Whether to keep the data of a run that found nothing, too. */
  readonly keep?: boolean;
  /** Aborted: everything that was started is stopped. */
  readonly signal?: AbortSignal;
  readonly say: (text: string) => void;
}

/** What a run found; `violations` is empty when everything that must hold held. */
export interface KillRunReport {
  readonly kills: readonly (Killed & InFlight)[];
  readonly accepted: number;
  readonly finished: number;
  /** The longest that a client had to try until its workflow was accepted, kills included. */
  readonly longestAcceptMs: number;
  readonly events: number;
  readonly elapsedMs: number;
  readonly violations: readonly string[];
}

const OPEN_WORK_MS_MAX = 60_000;
const FINISH_MS_MAX = 600_000;
const THINK_MS_DEFAULT = 1_500;

/** Starts a platform with two state-services, fills it with work, kills everything once, and judges what is in the log afterwards. */
export async function killRun(options: KillRunOptions): Promise<KillRunReport> {
  const begin = performance.now();
  const { together = false, signal = new AbortController().signal } = options;
  const say = (text: string): void => {
    options.say(`${((performance.now() - begin) / 1000).toFixed(1).padStart(5)} s  ${text}`);
  };
  const repositories = await Promise.all(Array.from({ length: options.repositories }, sampleRepository));
  const platform = await startPlatformUnderTest({
    env: {
      MAX_CONCURRENT_WORKFLOWS: '200',
      SIMULATED_AGENT_THINK_MS: String(options.thinkMs ?? THINK_MS_DEFAULT),
      SIMULATED_AGENT_SESSIONS: '8',
    },
    simulatedAgent: 'always',
    apart: !together,
    replicas: { 'state-service': 2, engine: 2 },
    signal,
    onProgress: say,
  });
  const stage: Stage = { platform, client: httpClient(platform.address, platform.apiKey), log: new LogChecks(platform.databaseUrl), say };
  let isClean = false;
  try {
    const report = await unlessEnded(tortured(stage, options, repositories), platform, signal);
    isClean = report.violations.length === 0 && options.keep !== true;
    return { ...report, elapsedMs: performance.now() - begin };
  } finally {
    stage.client.close();
    await stage.log.close();
    await (isClean ? platform.discard() : platform.stop());
    if (isClean) await Promise.all(repositories.map((repository) => repository.remove()));
    else say(`kept for a look: ${platform.data}`);
  }
}

async function tortured(
  stage: Stage,
  options: KillRunOptions,
  repositories: readonly TestRepository[],
): Promise<Omit<KillRunReport, 'elapsedMs'>> {
  const { client, log, say } = stage;
  const load = await submitAll(client, { ...options, repositories });
  say(`${String(load.length)} workflows accepted`);
  const visitor = visit(client);
  const killed = await killEverything(stage, options).catch(async (error: unknown) => {
    await visitor.leave().catch(() => undefined);
    throw error;
  });
  const { accepted, longestMs } = await visitor.leave();
  say(`everything was killed; ${String(accepted.length)} more workflows were accepted meanwhile, after ${longestMs.toFixed(0)} ms at most`);
  const submissions = [...load, ...accepted];
  const views = await waitForAll(client, submissions, say);
  say('everything has ended');
  const kills = await Promise.all(killed.map(async (kill) => ({ ...kill, ...(await log.inFlightAt(kill.position)) })));
  const violations = [
    ...unfinished(submissions, views),
    ...kills.flatMap((kill) => idle(kill, options)),
    ...(await judgeRecords(stage, submissions)),
    ...(await judgeLog(client, log)),
    ...(await judgeMerges({ accepted: submissions, views, repositories }, log)),
  ];
  say('judged');
  return {
    kills,
    violations,
    accepted: submissions.length,
    finished: submissions.length - unfinished(submissions, views).length,
    longestAcceptMs: longestMs,
    events: await log.head(),
  };
}

interface Killed {
  readonly name: string;
  /** Where the log ended when it was killed. */
  readonly position: number;
  readonly backAfterMs: number;
}

interface Stage {
  readonly platform: PlatformUnderTest;
  readonly client: HttpClient;
  readonly log: LogChecks;
  readonly say: (text: string) => void;
}

async function killEverything(
  { platform, client, log, say }: Stage,
  { together = false, only = '' }: Pick<KillRunOptions, 'together' | 'only'>,
): Promise<readonly Killed[]> {
  const killed: Killed[] = [];
  for (const kill of killsOf(together).filter(({ name }) => name.startsWith(only))) {
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
    const backAfterMs = Math.round(performance.now() - begin);
    say(`killed ${kill.name} at position ${String(position)}; whole again after ${String(backAfterMs)} ms`);
    killed.push({ name: kill.name, position, backAfterMs });
  }
  return killed;
}

type Views = ReadonlyMap<string, WorkflowView>;

/** Waits until every workflow has ended, and gives what was last seen of each. */
async function waitForAll(client: HttpClient, submissions: readonly Submission[], say: (text: string) => void): Promise<Views> {
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
  return views;
}

const unfinished = (submissions: readonly Submission[], views: Views): readonly string[] =>
  submissions.flatMap(({ id, profile }) => {
    const view = views.get(id);
    return view?.outcome === 'completed' ? [] : [`${profile} ${id} ${view === undefined ? 'was never seen' : endOf(view)}`];
  });

const endOf = ({ outcome, status, state, reason }: WorkflowView): string =>
  `is ${outcome ?? status} in state ${state}: ${reason ?? 'no reason'}`;

/** A kill proves something only while there is something to lose. */
function idle(kill: Killed & InFlight, { cicd, simple }: KillRunOptions): readonly string[] {
  const missing = [
    ...(kill.openAttempts === 0 ? ['no attempt'] : []),
    ...(cicd > 0 && kill.cicd === 0 ? ['no cicd workflow'] : []),
    ...(simple > 0 && kill.simple === 0 ? ['no simple workflow'] : []),
  ];
  return missing.map((what) => `${what} was open when ${kill.name} was killed`);
}

/** Invariant 4: what a client was told is in the log, and asking again with the same key gives the same answer. */
async function judgeRecords({ client, log }: Stage, submissions: readonly Submission[]): Promise<readonly string[]> {
  const requested = await log.requestedWorkflows();
  const violations = submissions.flatMap(({ id }) => (requested.has(id) ? [] : [`workflow ${id} was accepted and is not in the log`]));
  const again = await Promise.all(submissions.map(({ key, body }) => submit(client, key, body)));
  submissions.forEach(({ id, key }, index) => {
    if (again[index] !== id) violations.push(`the key ${key} was answered with ${id} first and with ${String(again[index])} later`);
  });
  const held = (await log.requestedWorkflows()).size;
  if (held !== submissions.length) violations.push(`the log holds ${String(held)} workflows, accepted were ${String(submissions.length)}`);
  return violations;
}
