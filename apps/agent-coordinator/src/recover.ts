import type { AgentView, StepContext } from '@taskmaster/contracts';
import { contextOf, failedWith, settle, type Coordinator, type Ending } from './coordinator.js';
import type { Held } from './held-attempts.js';
import { signalGroup } from './processes.js';
import { closeRoom, type Room } from './room.js';
import { attend, completed, judge, taskOf, type AgentJob } from './run-agent.js';
import { refOf } from './steps.js';
import { findDelivered } from './workspace/deliver.js';
import type { Session } from './workspace/sessions.js';

const LOST: Ending = failedWith('internal', 'the attempt was lost when its coordinator restarted', { lost: true, retryAfterMs: 0 });

/** What a coordinator does with what an earlier life of it left: carry on, report, or clean up. Returns how many of each. */
export async function recoverSessions(
  c: Coordinator,
  resume: (held: Held, session: Session) => Promise<void>,
): Promise<{ readonly resumed: number; readonly cleaned: number }> {
  const sessions = await c.sessions.list();
  if (sessions.length === 0) return { resumed: 0, cleaned: 0 };
  let resumed = 0;
  for (const session of sessions) {
    if (await isStillOurs(c, session)) {
      void c.held.hold(session.work, (held) => resume(held, session));
      resumed += 1;
    } else await discardSession(c, session);
  }
  return { resumed, cleaned: sessions.length - resumed };
}

async function isStillOurs(c: Coordinator, { work }: Session): Promise<boolean> {
  const { tenantId, workflowId, stepId, attempt } = work;
  const { answers } = await c.asker.ask('RenewLeases', {
    renewals: [{ tenantId, workflowId, stepId, attempt, holder: c.reporter.holder, leaseMs: c.reporter.leaseMs }],
  });
  return answers[0] === 'renewed';
}

const roomOf = (c: Coordinator, session: Session): Room | undefined => {
  if (session.workspace) return { path: session.workspace.path, home: session.workspace.home, workspace: session.workspace };
  const path = c.desk.workspaces.pathOf(refOf(session.work));
  return session.repository ? undefined : { path, home: `${path}.home` };
};

/** Nobody waits for this attempt any more: ends what it started, saves what it left, removes the rest. */
export async function discardSession(c: Coordinator, session: Session): Promise<void> {
  if (session.process) signalGroup(session.process, 'SIGKILL');
  await stopAgent(c, session);
  await closeRoom(c.desk, refOf(session.work), roomOf(c, session), { save: true });
  await c.sessions.remove(refOf(session.work));
}

async function stopAgent(c: Coordinator, session: Session): Promise<void> {
  const conversation = await findConversation(c, session, undefined);
  await conversation?.session.stop('the attempt is no longer current').catch(() => undefined);
}

interface Found {
  readonly job: AgentJob;
  readonly session: NonNullable<Awaited<ReturnType<NonNullable<Awaited<ReturnType<Coordinator['driverOf']>>['reattach']>>>>;
}

interface Known {
  readonly agents: readonly AgentView[];
  readonly context: StepContext;
}

/** The agent's side of a conversation that outlived its coordinator, if the driver can find it. */
async function findConversation(c: Coordinator, session: Session, given: Known | undefined): Promise<Found | undefined> {
  const facts = session.driver;
  const room = roomOf(c, session);
  if (!session.agent || !facts || !room) return undefined;
  const known = given ?? (await knownOf(c, session));
  const agent = known?.agents.find((candidate) => candidate.id === session.agent?.id);
  if (!known || !agent) return undefined;
  const job = { context: known.context, agent };
  const driver = await c.driverOf(agent);
  const conversation = await driver.reattach?.(taskOf(job, session, room.path), facts);
  return conversation ? { job, session: conversation } : undefined;
}

async function knownOf(c: Coordinator, { work }: Session): Promise<Known | undefined> {
  const [context, { items }] = await Promise.all([contextOf(c, work), c.asker.ask('ListAgents', { tenantId: work.tenantId })]);
  return context ? { context, agents: items } : undefined;
}

/** Goes on with an attempt that this holder already has: delivers what is there, waits for the agent, or reports the attempt lost. */
export async function reattachAgent(c: Coordinator, held: Held, agents: readonly AgentView[]): Promise<void> {
  const session = await c.sessions.read(refOf(held.work));
  const room = session ? roomOf(c, session) : undefined;
  let save = true;
  const settled = await settle(c, held, async () => {
    const context = session ? await contextOf(c, held.work) : null;
    if (!session || !context) return LOST;
    const agent = agents.find((candidate) => candidate.id === session.agent?.id);
    const before = await deliveredBefore(c, session);
    if (before && agent) {
      save = false;
      return completed({ context, agent }, before, 'Delivered before the coordinator restarted.');
    }
    const found = await findConversation(c, session, { agents, context });
    if (!found || !room) return LOST;
    const conversed = await attend(c, held, found.session, session);
    if (conversed.kind !== 'finished') return conversed.ending;
    const ending = await judge(c, held, { job: found.job, room, outcome: conversed.outcome });
    save = ending.kind !== 'completed';
    return ending;
  });
  if (!settled) return;
  await closeRoom(c.desk, refOf(held.work), room, { save });
  await c.sessions.remove(refOf(held.work));
}

async function deliveredBefore(c: Coordinator, session: Session): Promise<Awaited<ReturnType<typeof findDelivered>>> {
  if (!session.workspace) return undefined;
  const { mirror } = session.workspace;
  const view = await c.desk.mirrors.look(mirror, session.work.workflowId);
  return findDelivered(c.desk.git, mirror, view, session.work);
}

/** A command is not run twice under one attempt: its group is ended and the attempt reported lost, so that another one starts. */
export async function reportLost(c: Coordinator, held: Held): Promise<void> {
  const session = await c.sessions.read(refOf(held.work));
  if (session?.process) signalGroup(session.process, 'SIGKILL');
  if (!(await settle(c, held, () => Promise.resolve(LOST)))) return;
  if (session) await closeRoom(c.desk, refOf(held.work), roomOf(c, session), { save: true });
  await c.sessions.remove(refOf(held.work));
}
