import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import { createClient, type Client } from '@taskmaster/client';
import type { LogReport } from '@taskmaster/contracts';
import type { Surroundings } from '../config.js';
import { demoDirectory } from '../demo/places.js';
import { changedFiles, cloneRepository, makeSampleRepository, type DemoRepository } from '../demo/repository.js';
import { EXIT, type ExitCode } from '../exit.js';
import { listenForInterruption, startPlatform, type Platform } from '../platform/index.js';
import { followRun } from '../run/follow.js';
import type { Run } from '../run/run.js';
import { durationText, painter } from '../terminal.js';
import { isInterruption } from './up.js';

const REQUIREMENT =
  'Create a REST API for user management with authentication, including login, registration, and password reset functionality';

export interface DemoOptions {
  readonly repo?: string;
  readonly requirement?: string;
  readonly keep?: boolean;
  readonly data?: string;
  readonly json?: boolean;
}

/** What a demo delivered. */
interface Delivery {
  readonly run: Run;
  readonly repository: DemoRepository;
  readonly elapsedMs: number;
  readonly report: LogReport;
}

/** Starts a platform of its own, hands it a requirement for a sample or for a clone of somebody's repository, and shows how it becomes a merged change. */
export async function demo(options: DemoOptions, around: Surroundings): Promise<ExitCode> {
  const data = options.data ?? demoDirectory(around.env);
  const interruption = listenForInterruption();
  const { signal } = interruption;
  let platform: Platform | undefined;
  try {
    const { talk } = around.terminal;
    // The port is a free one: the demo never stands in the way of what listens on 3000.
    platform = await startPlatform({
      env: around.env,
      data,
      port: 0,
      signal,
      onProgress: (message) => {
        talk(`${message}\n`);
      },
    });
    const repository = await prepareRepository(options.repo, data, around);
    introduce(platform, repository, around);
    const client = createClient({ baseUrl: platform.address, apiKey: platform.apiKey });
    const delivery = await deliver(client, { repository, requirement: options.requirement ?? REQUIREMENT, signal }, around);
    if (signal.aborted) return EXIT.interrupted;
    const exit = await conclude(delivery, { platform, options }, around);
    if (options.keep === true) {
      talk(`\nThe platform stays at ${platform.address} until Ctrl-C.\n`);
      await platform.ended;
    }
    return exit;
  } catch (error) {
    if (signal.aborted && (isInterruption(error, signal) || platform !== undefined)) {
      around.terminal.talk('interrupted; nothing is lost, the next start goes on from here\n');
      return EXIT.interrupted;
    }
    throw error;
  } finally {
    await platform?.stop();
    interruption.dispose();
  }
}

/** Each demo has a repository of its own, so that one run never meets what another left. */
function prepareRepository(source: string | undefined, data: string, around: Surroundings): Promise<DemoRepository> {
  const name = `${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '')}-${randomBytes(3).toString('hex')}`;
  const folder = join(data, 'repositories', name);
  return source === undefined ? makeSampleRepository(folder, around.env) : cloneRepository(source, folder, around);
}

function introduce(platform: Platform, repository: DemoRepository, { terminal }: Surroundings): void {
  const paint = painter(terminal.colour);
  const what =
    repository.clonedFrom === undefined
      ? 'a small sample package with passing tests'
      : `a clone of ${repository.clonedFrom} (yours is not touched)`;
  terminal.talk(
    [
      `platform     ${platform.address} after ${durationText(platform.startedInMs)}, data in ${platform.data}`,
      `repository   ${what}, branch ${repository.branch}`,
      `interpreter  ${platform.interpreter === 'offline' ? paint('yellow', 'offline: rules of language, no model') : platform.interpreter}`,
      ...(platform.simulatedAgent
        ? [
            paint(
              'yellow',
              'agent        SIMULATED: writes a small marked module and its test for each step, does not implement the requirement',
            ),
          ]
        : []),
      '',
      '',
    ].join('\n'),
  );
}

async function deliver(
  client: Client,
  ask: { readonly repository: DemoRepository; readonly requirement: string; readonly signal: AbortSignal },
  { terminal }: Surroundings,
): Promise<Delivery> {
  const { repository, requirement, signal } = ask;
  const began = performance.now();
  const { workflowId } = await client.execute(
    { requirement, profile: 'cicd', repository: { url: repository.path, branch: repository.branch, forge: 'local' } },
    { signal },
  );
  const run = await followRun({ client, terminal, signal }, workflowId);
  const elapsedMs = performance.now() - began;
  return { run, repository, elapsedMs, report: await client.verify({ signal }) };
}

/** Says what came of it, on stdout. */
async function conclude(
  delivery: Delivery,
  { platform, options }: { platform: Platform; options: DemoOptions },
  around: Surroundings,
): Promise<ExitCode> {
  const { run, report } = delivery;
  const { terminal } = around;
  const broken = report.invariants.filter((invariant) => invariant.violations.length > 0).length;
  const merged = run.ended?.outcome === 'completed' ? run.pullRequest?.commit : undefined;
  if (options.json === true) terminal.out(`${JSON.stringify(resultOf(delivery, merged))}\n`);
  else {
    const result = merged === undefined ? failureLines(run, around) : await mergeLines(delivery.repository, merged, around);
    const lines = [...result, '', ...facts(delivery, platform, broken), ...whereNext(delivery, platform, options)];
    terminal.out(`${lines.join('\n')}\n`);
  }
  return merged !== undefined && broken === 0 ? EXIT.ok : EXIT.failed;
}

const resultOf = ({ run, repository, elapsedMs, report }: Delivery, merged: string | undefined): object => ({
  workflowId: run.workflowId,
  outcome: run.ended?.outcome ?? null,
  reason: run.ended?.reason ?? null,
  commit: merged ?? null,
  repository: repository.path,
  branch: repository.branch,
  events: run.events,
  elapsedMs: Math.round(elapsedMs),
  invariants: report.invariants,
});

function failureLines(run: Run, { terminal }: Surroundings): readonly string[] {
  const failed = [...run.steps.values()].filter((step) => step.mark === 'failed').map((step) => `  ${step.title}: ${step.note ?? ''}`);
  const ended = run.ended ?? { outcome: 'unfinished', reason: '' };
  return [painter(terminal.colour)('red', `Not merged: ${ended.outcome}: ${ended.reason}`), ...failed];
}

const mergeLines = async (repository: DemoRepository, commit: string, { terminal, env }: Surroundings): Promise<readonly string[]> => [
  painter(terminal.colour)('green', `Merged ${commit}`),
  '',
  await changedFiles(repository, commit, env),
];

function facts({ run, repository, elapsedMs, report }: Delivery, platform: Platform, broken: number): readonly string[] {
  const checked = report.invariants.reduce((sum, invariant) => sum + invariant.checked, 0);
  const violations = report.invariants.flatMap((invariant) =>
    invariant.violations.map((violation) => `             ${String(invariant.number)} ${invariant.name}: ${violation}`),
  );
  return [
    `result       ${repository.path} (branch ${repository.branch})`,
    `events       ${String(run.events)} of this workflow, ${String(report.head)} in the log`,
    `elapsed      ${durationText(elapsedMs)} from request to ${run.ended?.outcome === 'completed' ? 'merge' : 'end'}`,
    `invariants   ${broken === 0 ? `all ${String(report.invariants.length)} hold (${String(checked)} facts checked in ${durationText(report.durationMs)})` : `${String(broken)} of ${String(report.invariants.length)} are BROKEN`}`,
    ...violations,
    `data         ${platform.data}`,
  ];
}

function whereNext({ run, repository }: Delivery, platform: Platform, options: DemoOptions): readonly string[] {
  const { clonedFrom, path, branch } = repository;
  const fetch =
    clonedFrom === undefined || clonedFrom.includes('://')
      ? `git clone ${path} ${basename(path, '.git')}`
      : `git -C ${clonedFrom} fetch ${path} ${branch}:taskmaster-${branch}`;
  const start = options.keep === true ? [] : [`  npx task-master up --data ${platform.data}    then, in another terminal:`];
  return [
    '',
    'look further:',
    `  ${fetch}`,
    `  git -C ${path} log --graph --stat ${branch}`,
    ...start,
    `  npx task-master workflow show ${run.workflowId} --data ${platform.data}`,
    `  npx task-master workflow events ${run.workflowId} --data ${platform.data}`,
    `  npx task-master audit verify --data ${platform.data}`,
  ];
}
