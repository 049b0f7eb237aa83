import {
  ANSWERED,
  reactToCommandStep,
  recoverSessions,
  refOf,
  settle,
  StepReporter,
  HeldAttempts,
  startAndHold,
  workOf,
  type Coordinator,
  type Ending,
  type Held,
  type Work,
} from '@taskmaster/agent-coordinator';
import type { AgentId, Assignment, CommandSender, Notice, NoticeHandler, NoticeOutcome } from '@taskmaster/contracts';
import { NatsCommandSender, NatsQueryAsker, NatsStrategy, type OwnWork } from '@taskmaster/messaging';
import type { SeededRandom } from '@taskmaster/testing';
import type { NatsConnection } from 'nats';
import type { Life } from './life.js';
import { isPlanned } from './load.js';
import { outputOf } from './outputs.js';

/** What a worker leaves on its disk for its next life. */
export type Sessions = Map<string, { readonly work: Work }>;

/** Judges are told what workers really do. */
export interface WorkWitness {
  /** Somebody begins to work on an attempt. */
  begins(holder: string, work: Work): void;
  /** Somebody is done with an attempt, well or badly, and is about to report it. */
  ends(holder: string, work: Work): void;
}

/** How well workers work now. Shares from 0 to 1, times in milliseconds. */
export interface Diligence {
  readonly workMs: number;
  /** Share of attempts that are never finished. */
  readonly forgets: number;
  /** Share of attempts that fail. */
  readonly fails: number;
}

export interface WorkerParts {
  readonly life: Life;
  readonly connection: NatsConnection;
  /** In an engine: its commands travel by no message. */
  readonly sender?: CommandSender;
  readonly random: SeededRandom;
  readonly sessions: Sessions;
  readonly diligence: () => Diligence;
  readonly witness: WorkWitness;
  readonly note: (what: string) => void;
}

/** The hooks of a worker that a planted bug may change. */
export interface WorkerChange {
  readonly notice?: (handler: NoticeHandler, parts: WorkerParts) => NoticeHandler;
  readonly coordinator?: (c: Coordinator, parts: WorkerParts) => Coordinator;
}

const LEASE_MS = 3_000;
const BOOT_RETRY_MS = 500;
const CONSUMED = ['agent-coordinator_command', 'agent-coordinator_assign', 'agent-coordinator_change', 'nlp-service_interpret'];
export const AGENTS = ['agent-a', 'agent-b'] as const;

/** Wires one agent-coordinator from the product's own parts; only the work itself is simulated. */
export function startWorker(parts: WorkerParts, change: WorkerChange = {}): OwnWork {
  const { life, connection } = parts;
  const own: OwnWork = { groups: ['command'], begin: (notice) => strategy.begin(notice) };
  const c = change.coordinator?.(coordinatorOf(parts, own), parts) ?? coordinatorOf(parts, own);
  const handle = (notice: Notice): Promise<NoticeOutcome> => react(c, notice, parts);
  const handler = change.notice?.(handle, parts) ?? handle;
  const strategy: NatsStrategy = new NatsStrategy({
    connection,
    timers: life.timers,
    maxConcurrent: 8,
    onPoison: async (notice) => {
      parts.witness.ends(life.name, workOf(notice));
      await c.reporter.fail(workOf(notice), { type: 'internal', message: 'failed again and again', retryable: true });
    },
  });
  for (const consumer of CONSUMED)
    strategy.addHandler(consumer, (notice: Notice, context: { readonly deliveries: number }) => handler(notice, context), true);
  const begin = (): void => {
    // What an earlier life left is taken up before anything new is.
    recoverSessions(c, (held) => resume(c, held, parts)).then(
      () => strategy.listen(() => undefined),
      () => {
        life.timers.after(BOOT_RETRY_MS, begin);
      },
    );
  };
  begin();
  return own;
}

function coordinatorOf({ life, connection, sender, sessions, note }: WorkerParts, own: OwnWork): Coordinator {
  const { timers, name: holder } = life;
  const asker = new NatsQueryAsker(connection, timers);
  const onFault = (what: string): void => note(what);
  const keyOf = (work: Work): string => JSON.stringify(refOf(work));
  const disk = {
    list: () => Promise.resolve([...sessions.values()]),
    write: (session: { readonly work: Work }) => Promise.resolve(void sessions.set(keyOf(session.work), session)),
    remove: (work: Work) => Promise.resolve(void sessions.delete(keyOf(work))),
  };
  const desk = { workspaces: { pathOf: () => '', removeEmpty: () => Promise.resolve() } };
  return {
    asker,
    reporter: new StepReporter(sender ?? new NatsCommandSender(connection, timers, own), holder, LEASE_MS),
    held: new HeldAttempts(asker, { holder, leaseMs: LEASE_MS, onFault, timers }),
    // Steps of a simulation need no repository, so of the desk only an empty room is asked for.
    sessions: disk as unknown as Coordinator['sessions'],
    desk: desk as unknown as Coordinator['desk'],
    driverOf: () => Promise.reject(new Error('no agent of a simulation has a driver')),
    now: life.clock,
    timers,
  };
}

async function react(c: Coordinator, notice: Notice, parts: WorkerParts): Promise<NoticeOutcome> {
  const work = workOf(notice);
  if (notice.input['builtin'] === 'noop') {
    parts.witness.ends(c.reporter.holder, work);
    return reactToCommandStep(c, notice);
  }
  if (notice.kind.startsWith('requirements.')) {
    parts.witness.ends(c.reporter.holder, work);
    await c.reporter.complete(work, outputOf(notice, parts.random), 1);
    return ANSWERED;
  }
  const reporter = notice.kind.startsWith('agent.') ? assigning(c.reporter, parts.random.pick(AGENTS)) : c.reporter;
  return startAndHold({ ...c, reporter }, work, (held, again) => (again ? resume(c, held, parts) : run(c, held, { ...parts, notice })));
}

/** The reporter of an attempt that an agent was chosen for. */
function assigning(reporter: StepReporter, agent: string): StepReporter {
  const assignment: Assignment = {
    ...{ agentId: agent as AgentId, agentName: agent, agentType: 'custom', simulated: true },
    ...{ policy: 'auto', reason: 'any', scores: [] },
  };
  return Object.assign(Object.create(reporter) as StepReporter, { start: (work: Work) => reporter.start(work, assignment) });
}

async function run(c: Coordinator, held: Held, parts: WorkerParts & { readonly notice: Notice }): Promise<void> {
  const { witness, random, diligence, notice } = parts;
  witness.begins(c.reporter.holder, held.work);
  const settled = await settle(c, held, async (): Promise<Ending> => {
    await c.sessions.write({ work: held.work } as never);
    held.recorded();
    const { workMs, forgets, fails } = diligence();
    // Only the steps of a plan have deadlines that a run can wait for.
    if (isPlanned(held.work.stepId) && random.chance(forgets)) await stopped(held);
    else await Promise.race([stopped(held), pause(c, workMs * (0.1 + 2 * random.next()))]);
    if (held.signal.aborted) return { kind: 'stopped' };
    witness.ends(c.reporter.holder, held.work);
    if (random.chance(fails)) return { kind: 'failed', error: { type: 'internal', message: 'it did not work', retryable: true } };
    return { kind: 'completed', output: outputOf(notice, random) };
  });
  if (settled) await c.sessions.remove(held.work);
}

/** Work is not done twice under one attempt: what an earlier life began is reported lost, so that another attempt does it. */
async function resume(c: Coordinator, held: Held, { witness }: WorkerParts): Promise<void> {
  witness.ends(c.reporter.holder, held.work);
  const lost = { type: 'internal', message: 'its worker restarted', retryable: true, lost: true, retryAfterMs: 0 } as const;
  if (await settle(c, held, () => Promise.resolve({ kind: 'failed', error: lost }))) await c.sessions.remove(held.work);
}

const pause = (c: Coordinator, ms: number): Promise<void> =>
  new Promise((resolve) => {
    c.timers.after(ms, resolve);
  });

const stopped = ({ signal }: Held): Promise<void> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve();
    });
  });
