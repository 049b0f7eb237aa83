import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createClient, recordedClient, verifyWithRecords, type Client, type ClientRecord } from '@taskmaster/client';
import type { LogReport } from '@taskmaster/contracts';
import type { Surroundings } from '../config.js';
import { demoDirectory } from '../demo/places.js';
import { changedFiles, cloneRepository, makeSampleRepository, type DemoRepository } from '../demo/repository.js';
import { EXIT, type ExitCode } from '../exit.js';
import { ensureDataDirectory, explainBrokenPlace, listenForInterruption, type Platform, startPlatform } from '../platform/index.js';
import { followRun } from '../run/follow.js';
import type { Run } from '../run/run.js';
import { durationText, harmless, painter } from '../terminal.js';
import { STOPPING } from './up.js';

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
  const interruption = listenForInterruption(() => {
    around.terminal.talk(STOPPING);
  });
  const { signal } = interruption;
  try {
    return await demonstrate(options, signal, around);
  } catch (error) {
    if (!signal.aborted) throw error;
    around.terminal.talk('interrupted; nothing is lost, the next start goes on from here\n');
    return EXIT.interrupted;
  } finally {
    interruption.dispose();
  }
}

async function demonstrate(options: DemoOptions, signal: AbortSignal, around: Surroundings): Promise<ExitCode> {
  const data = options.data ?? demoDirectory(around.env);
  // First, because it is quick and most easily refused.
  const repository = await prepareRepository(options.repo, data, around);
  const onProgress = (message: string): void => {
    around.terminal.talk(`${message}\n`);
  };
  // The port is a free one: the demo never stands in the way of what listens on 3000.
  const platform = await startPlatform({ env: around.env, data, port: 0, signal, onProgress });
  try {
    introduce(platform, repository, around);
    const exit = await deliverOn(platform, { repository, signal }, options, around);
    if (options.keep === true) onProgress(`\nThe platform stays at ${platform.address} until Ctrl-C.`);
    if (options.keep === true) await platform.ended;
    return exit;
  } finally {
    await platform.stop();
    // That the platform could not go on says more than what the client met because of it.
    const end = await platform.ended;
    if (end.kind === 'failed') throw end.fault;
  }
}

async function deliverOn(
  platform: Platform,
  { repository, signal }: { readonly repository: DemoRepository; readonly signal: AbortSignal },
  options: DemoOptions,
  around: Surroundings,
): Promise<ExitCode> {
  const halted = new AbortController();
  void platform.ended.then(() => {
    halted.abort();
  });
  const client = createClient({ baseUrl: platform.address, apiKey: platform.apiKey });
  const ask = { repository, requirement: options.requirement ?? REQUIREMENT, signal: AbortSignal.any([signal, halted.signal]) };
  const delivery = await deliver(client, ask, around);
  signal.throwIfAborted();
  return conclude(delivery, { platform, options }, around);
}

/** Each demo has a repository of its own, so that one run never meets what another left. */
async function prepareRepository(source: string | undefined, data: string, around: Surroundings): Promise<DemoRepository> {
  const name = `${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '')}-${randomBytes(3).toString('hex')}`;
  const folder = join(data, 'repositories', name);
  await ensureDataDirectory(data);
  try {
    return await (source === undefined ? makeSampleRepository(folder, around.env) : cloneRepository(source, folder, around));
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw explainBrokenPlace(data, error);
  }
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
  const records: ClientRecord[] = [];
  const recorded = recordedClient(client, (record) => records.push(record));
  const { workflowId } = await recorded.execute(
    { requirement, profile: 'cicd', repository: { url: repository.path, branch: repository.branch, forge: 'local' } },
    { signal },
  );
  const run = await followRun({ client: recorded, terminal, signal }, workflowId);
  const elapsedMs = performance.now() - began;
  return { run, repository, elapsedMs, report: await verifyWithRecords(client, records, { signal }) };
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
  const isDelivered = run.ended?.outcome === 'completed';
  const merged = isDelivered ? run.pullRequest?.commit : undefined;
  if (options.json === true) terminal.out(`${JSON.stringify(resultOf(delivery, merged))}\n`);
  else {
    const result = merged === undefined ? unmergedLines(run, around) : await mergeLines(delivery.repository, merged, around);
    const lines = [
      ...result,
      '',
      ...facts(delivery, platform, broken),
      ...whereNext(delivery, platform, { keep: options.keep === true, merged: merged !== undefined }),
    ];
    terminal.out(`${lines.join('\n')}\n`);
  }
  return isDelivered && broken === 0 ? EXIT.ok : EXIT.failed;
}

const resultOf = ({ run, repository, elapsedMs, report }: Delivery, merged: string | undefined): object => ({
  workflowId: run.workflowId,
  outcome: run.ended?.outcome ?? null,
  reason: run.ended?.reason ?? run.escalation ?? null,
  commit: merged ?? null,
  repository: repository.path,
  branch: repository.branch,
  events: run.events,
  elapsedMs: Math.round(elapsedMs),
  invariants: report.invariants,
});

function unmergedLines(run: Run, around: Surroundings): readonly string[] {
  return run.ended?.outcome === 'completed' ? [`Nothing to merge: ${run.ended.reason}`] : failureLines(run, around);
}

function failureLines(run: Run, { terminal }: Surroundings): readonly string[] {
  const failed = [...run.steps.values()].filter((step) => step.mark === 'failed').map((step) => `  ${step.title}: ${step.note ?? ''}`);
  const ended = run.ended ?? { outcome: 'it waits for a person', reason: run.escalation ?? '' };
  const lines = [`Not merged: ${ended.outcome}: ${ended.reason}`, ...failed, ...failedChecks(run)].map(harmless);
  return [painter(terminal.colour)('red', lines[0] ?? ''), ...lines.slice(1)];
}

const CHECK_LINES_MAX = 20;

/** What the failing checks of the last validation printed. */
const failedChecks = (run: Run): readonly string[] =>
  (run.validations.at(-1)?.checks ?? [])
    .filter((check) => !check.passed)
    .flatMap(({ name, outputTail }) => {
      const printed = outputTail.trim();
      if (printed === '') return [`  ${name} failed on the merged result and printed nothing`];
      const lines = printed.split('\n').slice(-CHECK_LINES_MAX);
      return [`  ${name} failed on the merged result; the end of what it printed:`, ...lines.map((line) => `    ${line}`)];
    });

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

function whereNext(
  { run, repository }: Delivery,
  platform: Platform,
  how: { readonly keep: boolean; readonly merged: boolean },
): readonly string[] {
  const start = how.keep ? [] : [`  npx task-master up --data ${platform.data}    then, in another terminal:`];
  return [
    '',
    'look further:',
    ...(how.merged ? howToFetch(repository) : []),
    ...start,
    `  npx task-master workflow show ${run.workflowId} --data ${platform.data}`,
    `  npx task-master workflow events ${run.workflowId} --data ${platform.data}`,
    `  npx task-master audit verify --data ${platform.data}`,
  ];
}

/** What was merged, as a checkout or as a branch of the repository it was cloned from. */
function howToFetch({ clonedFrom, path, branch }: DemoRepository): readonly string[] {
  const fetch =
    clonedFrom === undefined || clonedFrom.includes('://')
      ? `git clone ${path} ${basename(path, '.git')}`
      : `git -C ${clonedFrom} fetch ${path} ${branch}:taskmaster-${branch}`;
  return [`  ${fetch}`, `  git -C ${path} log --graph --stat ${branch}`];
}
