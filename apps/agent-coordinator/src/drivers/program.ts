import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { msOf, type JsonObject } from '@taskmaster/contracts';
import type { DriverOutcome, DriverSession, DriverTask } from '../driver.js';
import { isAlive, signalGroup, startOf, type ProcessMark } from '../processes.js';
import { failed } from './failures.js';

/** Characters of one line of output; the rest of a longer line is dropped. */
export const LINE_CHARACTERS_MAX = 4 * 1024 * 1024;
/** Characters at the end of the output that are kept for people. */
export const PROGRAM_TAIL_CHARACTERS_MAX = 4_000;
/** Characters of one argument; Linux takes 128 KiB. */
export const ARGUMENT_CHARACTERS_MAX = 100_000;
const KILL_GRACE_MS = 2_000;

/** What a program sees beside its own HOME; nothing of ours is inherited. */
export type ProgramEnvironment = Readonly<Record<string, string>>;

export const PROGRAM_ENVIRONMENT: ProgramEnvironment = {
  PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
  LC_ALL: 'C.UTF-8',
};

export interface ProgramEnd {
  /** Undefined when it could not be started or a signal ended it. */
  readonly exitCode: number | undefined;
  readonly startFault?: string;
  readonly tail: string;
}

export interface Program {
  readonly driver: string;
  readonly task: DriverTask;
  readonly env: ProgramEnvironment;
  /** The command line; gets the path of a private folder that is removed at the end. */
  command(home: string): Promise<readonly string[]>;
  /** Gets every line of standard output; `finish` ends the program, for those that do not exit by themselves. */
  onLine(line: string, finish: () => void): void;
  /** What the end means, when neither a stop nor the deadline caused it. */
  judge(end: ProgramEnd): DriverOutcome;
}

/** Runs a program for an attempt: own HOME, own process group, standard input closed, stopped by SIGTERM and then SIGKILL to the group. */
export async function startProgram(program: Program): Promise<DriverSession> {
  const { task, driver } = program;
  const home = await mkdtemp(join(tmpdir(), 'taskmaster-home-'));
  const [file = '', ...args] = await program.command(home);
  const child = spawn(file, args, {
    cwd: task.workspace,
    env: { HOME: home, ...program.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const mark = markOf(child.pid);
  const facts: JsonObject = { driver, ...(mark === undefined ? {} : { pid: mark.pid, startedAt: mark.startedAt }), home };
  let cause: DriverOutcome | undefined;
  let tail = '';
  const end = (outcome?: DriverOutcome): void => {
    cause ??= outcome;
    if (mark === undefined) return;
    signalGroup(mark, 'SIGTERM');
    setTimeout(() => signalGroup(mark, 'SIGKILL'), KILL_GRACE_MS).unref();
  };
  const keep = (text: string): void => {
    tail = (tail + text).slice(-PROGRAM_TAIL_CHARACTERS_MAX);
  };
  eachLine(child.stdout.setEncoding('utf8'), (line) => {
    keep(`${line}\n`);
    program.onLine(line, () => {
      end();
    });
  });
  child.stderr.setEncoding('utf8').on('data', keep);
  const left = Math.min(Math.max(1, msOf(task.deadlineAt) - Date.now()), 2_147_483_647);
  const deadline = setTimeout(() => {
    end(failed('deadline', 'The agent did not finish before the deadline of the attempt.'));
  }, left);
  const outcome = new Promise<ProgramEnd>((resolve) => {
    child.once('error', (error) => {
      resolve({ exitCode: undefined, startFault: error.message, tail });
    });
    child.once('close', (code) => {
      resolve({ exitCode: code ?? undefined, tail });
    });
    // A program that has left may have left others behind in its group; they would hold its pipes and its worktree.
    child.once('exit', () => {
      killGroup(child.pid);
    });
  }).then(async (it) => {
    clearTimeout(deadline);
    await rm(home, { recursive: true, force: true });
    return cause ?? program.judge(it);
  });
  const stop = async (reason: string): Promise<void> => {
    end(failed('stopped', reason));
    await outcome;
  };
  return { outcome, stop, facts };
}

/** Ends what an earlier process left running; its pipes are gone, so there is nothing to go on with. */
export function endLeftover(facts: JsonObject): null {
  const { pid, startedAt } = facts;
  if (typeof pid !== 'number' || typeof startedAt !== 'string') return null;
  const mark: ProcessMark = { pid, startedAt };
  if (isAlive(mark)) signalGroup(mark, 'SIGKILL');
  return null;
}

function markOf(pid: number | undefined): ProcessMark | undefined {
  const startedAt = pid === undefined ? undefined : startOf(pid);
  return pid === undefined || startedAt === undefined ? undefined : { pid, startedAt };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is empty: nothing was left behind.
  }
}

function eachLine(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = '';
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = (lines.pop() ?? '').slice(0, LINE_CHARACTERS_MAX);
    lines.forEach(take);
  });
  stream.on('end', () => {
    if (rest !== '') take(rest);
  });
}

/** Splits a command line at blanks; quotes keep blanks together. No shell is involved, so nothing is expanded. */
export const wordsOf = (line: string): readonly string[] =>
  [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');

/** Whether the first word of a command line can be started: a path that is there, or a name on the PATH. */
export function programCandidates(line: string, env: ProgramEnvironment): readonly string[] {
  const file = wordsOf(line)[0] ?? '';
  if (file === '' || file.includes('/')) return file === '' ? [] : [file];
  return (env['PATH'] ?? '').split(':').map((folder) => join(folder, file));
}
