import { addMs, isJsonObject, type JsonObject, type Notice, type NoticeOutcome, type StepContext } from '@taskmaster/contracts';
import { ANSWERED, contextOf, failedWith, settle, startAndHold, type Coordinator, type Ending } from './coordinator.js';
import type { Held } from './held-attempts.js';
import { runCommand, type CommandEnd } from './processes.js';
import { reportLost } from './recover.js';
import { closeRoom, type Room } from './room.js';
import { refOf, workOf } from './steps.js';
import type { Session } from './workspace/sessions.js';

/** Runs a command step. The built-in `noop` needs no start: it is done when it is heard of. */
export async function reactToCommandStep(c: Coordinator, notice: Notice): Promise<NoticeOutcome> {
  const work = workOf(notice);
  if (notice.input['builtin'] === 'noop') {
    await c.reporter.complete(work, { builtin: 'noop' }, 0);
    return ANSWERED;
  }
  const asked = parseCommand(notice.input);
  if (!asked) {
    await c.reporter.fail(work, {
      type: 'validation',
      message: 'the step names no command: {"command": ["program", "argument"]}',
      retryable: false,
    });
    return ANSWERED;
  }
  const context = await contextOf(c, work);
  if (!context) return ANSWERED;
  return startAndHold(c, work, (held, reattached) => (reattached ? reportLost(c, held) : runStep(c, held, { context, asked })));
}

interface Asked {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

function parseCommand(input: JsonObject): Asked | undefined {
  const { command, env } = input;
  if (!Array.isArray(command) || command.length === 0 || !command.every((part) => typeof part === 'string')) return undefined;
  const entries = isJsonObject(env) ? Object.entries(env) : [];
  if (!entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')) return undefined;
  return { command, env: Object.fromEntries(entries) };
}

async function runStep(
  c: Coordinator,
  held: Held,
  { context, asked }: { readonly context: StepContext; readonly asked: Asked },
): Promise<void> {
  const startedAt = c.now();
  const ref = refOf(held.work);
  const { repository } = context;
  const session: Session = {
    work: workOf(held.work),
    startedAt,
    deadlineAt: addMs(startedAt, context.step.timeoutMs),
    title: context.step.title,
    ...(repository === undefined ? {} : { repository }),
  };
  let room: Room | undefined;
  const settled = await settle(c, held, async () => {
    await c.sessions.write(session);
    held.recorded();
    room = await openCommandRoom(c, context, ref);
    const recorded: Session = { ...session, ...(room.workspace === undefined ? {} : { workspace: room.workspace }) };
    let noted = c.sessions.write(recorded);
    const end = await runCommand({
      ...asked,
      env: { ...c.desk.commandEnv, HOME: room.home, ...asked.env },
      cwd: room.path,
      timeoutMs: context.step.timeoutMs,
      signal: held.signal,
      onSpawn: (mark) => {
        noted = noted.then(() => c.sessions.write({ ...recorded, process: mark }));
      },
    });
    await noted;
    return endingOf(end, held);
  });
  if (!settled) return;
  await closeRoom(c.desk, ref, room, { save: false });
  await c.sessions.remove(ref);
}

/** A detached worktree at what the workflow has delivered so far; commands look and prove, they do not deliver. */
async function openCommandRoom(c: Coordinator, { repository }: StepContext, ref: ReturnType<typeof refOf>): Promise<Room> {
  if (!repository) return c.desk.workspaces.openEmpty(ref);
  const mirror = await c.desk.mirrors.of(repository);
  const view = await c.desk.mirrors.look(mirror, ref.workflowId);
  const workspace = await c.desk.workspaces.open(ref, mirror, (view.integration ?? view.target).commit);
  return { path: workspace.path, home: workspace.home, workspace };
}

function endingOf(end: CommandEnd, held: Held): Ending {
  const detail = { outputTail: end.outputTail };
  switch (end.kind) {
    case 'exited':
      if (end.exitCode === 0) return { kind: 'completed', output: { exitCode: 0, outputTail: end.outputTail } };
      return failedWith('internal', `the command exited with ${String(end.exitCode)}`, { detail: { exitCode: end.exitCode, ...detail } });
    case 'timed-out':
      return failedWith('timeout', 'the command did not end in time', { detail });
    case 'not-started':
      return failedWith('dependency', `the command could not be started: ${end.reason}`, { retryable: false, detail });
    case 'stopped':
      // A process that ends takes its commands along, so another attempt must do this one's work.
      return held.reason() === 'drained'
        ? failedWith('internal', 'its coordinator was stopped', { lost: true, retryAfterMs: 0 })
        : { kind: 'stopped' };
  }
}
