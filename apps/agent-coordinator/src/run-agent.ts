import { addMs, msOf, type AgentView, type Assignment, type JsonObject, type StepContext } from '@taskmaster/contracts';
import { failedWith, settle, type Coordinator, type Ending } from './coordinator.js';
import type { DriverOutcome, DriverSession, DriverTask } from './driver.js';
import type { Held } from './held-attempts.js';
import { promptOf } from './prompt.js';
import { closeRoom, filesIn, openRoom, type Room } from './room.js';
import { refOf, workOf } from './steps.js';
import { deliver, type DeliveredCommit } from './workspace/deliver.js';
import type { Session } from './workspace/sessions.js';

const SUMMARY_CHARS_MAX = 2000;
const FILES_MAX = 100;
const STOP_LIMIT_MS = 10_000;

/** One attempt given to one agent. */
export interface AgentJob {
  readonly context: StepContext;
  readonly agent: AgentView;
  readonly assignment?: Assignment;
}

/** Drives an agent through one attempt, judges it by what it left in the workspace, and reports. */
export async function runAgentAttempt(c: Coordinator, held: Held, job: AgentJob): Promise<void> {
  const startedAt = c.now();
  const { context, agent } = job;
  const session: Session = {
    work: workOf(held.work),
    startedAt,
    deadlineAt: addMs(startedAt, context.step.timeoutMs),
    title: context.step.title,
    agent: { id: agent.id, name: agent.profile.name, simulated: agent.profile.simulated },
    ...(context.repository === undefined ? {} : { repository: context.repository }),
  };
  let room: Room | undefined;
  let delivered = false;
  const settled = await settle(c, held, async () => {
    await c.sessions.write(session);
    held.recorded();
    const opened = await openRoom(c.desk, refOf(held.work), context);
    if (opened.kind === 'delivered') return completed(job, opened.delivered, 'Delivered by an earlier attempt.');
    room = opened.room;
    const conversation = await converse(c, held, { job, session, room });
    if (conversation.kind !== 'finished') return conversation.ending;
    const ending = await judge(c, held, { job, room, outcome: conversation.outcome });
    delivered = ending.kind === 'completed';
    return ending;
  });
  if (!settled) return;
  await closeRoom(c.desk, refOf(held.work), room, { save: !delivered });
  await c.sessions.remove(refOf(held.work));
}

interface Conversation {
  readonly job: AgentJob;
  readonly session: Session;
  readonly room: Room;
}

type Conversed =
  | { readonly kind: 'finished'; readonly outcome: Extract<DriverOutcome, { kind: 'finished' }> }
  | { readonly kind: 'ended'; readonly ending: Ending };

async function converse(c: Coordinator, held: Held, { job, session, room }: Conversation): Promise<Conversed> {
  const recorded: Session = { ...session, ...(room.workspace === undefined ? {} : { workspace: room.workspace }) };
  await c.sessions.write(recorded);
  const driver = await c.driverOf(job.agent);
  if (held.signal.aborted) return { kind: 'ended', ending: { kind: 'stopped' } };
  const conversation = await driver.start(taskOf(job, session, room.path), c.reporter.progressOf(held.work));
  await c.sessions.write({ ...recorded, driver: conversation.facts });
  return attend(c, held, conversation, session);
}

export const taskOf = (job: AgentJob, session: Session, workspace: string): DriverTask => ({
  attempt: refOf(session.work),
  title: job.context.step.title,
  prompt: promptOf(job.context),
  workspace,
  deadlineAt: session.deadlineAt,
  agent: job.agent,
});

/** Waits for an agent until it ends, its time is up, or somebody says stop. A drained conversation goes on without us. */
export async function attend(c: Coordinator, held: Held, conversation: DriverSession, session: Session): Promise<Conversed> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(
      () => {
        resolve('late');
      },
      Math.max(0, msOf(session.deadlineAt) - msOf(c.now())),
    );
    // A deadline alone keeps no process alive.
    timer.unref();
  });
  const stopped = new Promise<'stopped'>((resolve) => {
    if (held.signal.aborted) resolve('stopped');
    held.signal.addEventListener(
      'abort',
      () => {
        resolve('stopped');
      },
      { once: true },
    );
  });
  const first = await Promise.race([conversation.outcome, late, stopped]);
  clearTimeout(timer);
  if (first === 'stopped') {
    if (held.reason() !== 'drained') await stopWithin(conversation, held.reason() ?? 'stopped');
    return { kind: 'ended', ending: { kind: 'stopped' } };
  }
  if (first === 'late') {
    await stopWithin(conversation, 'deadline');
    return { kind: 'ended', ending: failedWith('timeout', 'the agent did not finish in time') };
  }
  return first.kind === 'failed' ? { kind: 'ended', ending: { kind: 'failed', error: first.error } } : { kind: 'finished', outcome: first };
}

/** A driver that cannot stop its agent does not hold up the report. */
async function stopWithin(conversation: DriverSession, reason: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, STOP_LIMIT_MS);
  });
  await Promise.race([conversation.stop(reason).catch(() => undefined), limit]);
  clearTimeout(timer);
}

export interface Judgement {
  readonly job: AgentJob;
  readonly room: Room;
  readonly outcome: Extract<DriverOutcome, { kind: 'finished' }>;
}

/** Decides by evidence: a change that reaches the integration branch; for a review the verdict. */
export async function judge(c: Coordinator, held: Held, { job, room, outcome }: Judgement): Promise<Ending> {
  if (held.signal.aborted && held.reason() === 'lost') return { kind: 'stopped' };
  if (job.context.step.kind === 'agent.review') return verdictOf(job, outcome);
  if (!room.workspace) return madeWithoutRepository(job, room, outcome.summary);
  const { name, simulated } = job.agent.profile;
  const delivery = await deliver(c.desk, room.workspace, job.context.step.title, { name, simulated });
  switch (delivery.kind) {
    case 'delivered':
      return completed(job, delivery, outcome.summary);
    case 'no-change':
      return failedWith('agent', 'no change: the agent said it was done and left every file as it was', {
        detail: { answer: outcome.transcriptTail.slice(-1500) },
      });
    case 'conflict':
      return failedWith('dependency', `conflict with what was delivered meanwhile in: ${delivery.files.join(', ')}`.slice(0, 1000), {
        detail: { files: delivery.files.slice(0, FILES_MAX), against: delivery.against },
      });
  }
}

export function completed(job: AgentJob, delivered: DeliveredCommit, summary: string): Ending {
  const { commit, branch, files } = delivered;
  return { kind: 'completed', output: { commit, branch, files: files.slice(0, FILES_MAX), ...byAgent(job, summary) } };
}

const byAgent = ({ agent }: AgentJob, summary: string): JsonObject => ({
  summary: summary.slice(0, SUMMARY_CHARS_MAX),
  agentId: agent.id,
  simulated: agent.profile.simulated,
});

async function madeWithoutRepository(job: AgentJob, room: Room, summary: string): Promise<Ending> {
  const files = await filesIn(room);
  if (files.length === 0 && summary.trim() === '') return failedWith('agent', 'no result: the agent left neither a file nor an answer');
  return { kind: 'completed', output: { commit: '', branch: '', files: files.slice(0, FILES_MAX), ...byAgent(job, summary) } };
}

const VERDICT = /TASKMASTER-VERDICT\s*:\s*(approve|reject)/gi;

function verdictOf(job: AgentJob, outcome: Judgement['outcome']): Ending {
  const last = [...`${outcome.transcriptTail}\n${outcome.summary}`.matchAll(VERDICT)].at(-1)?.[1]?.toLowerCase();
  if (last === undefined) return failedWith('agent', 'no verdict: the review ended without saying approve or reject');
  return { kind: 'completed', output: { approved: last === 'approve', ...byAgent(job, outcome.summary) } };
}
