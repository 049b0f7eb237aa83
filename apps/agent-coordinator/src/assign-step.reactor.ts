import { type AgentId, type AgentView, type Assignment, type Notice, type NoticeOutcome, type StepContext } from '@taskmaster/contracts';
import { chooseAgent } from '@taskmaster/workflow';
import { ANSWERED, BEING_STARTED, contextOf, startedBy, type Coordinator } from './coordinator.js';
import { reattachAgent } from './recover.js';
import { runAgentAttempt } from './run-agent.js';
import { refOf, workOf, type Work } from './steps.js';

const FULL_RETRY_MS = 500;
/** Agents that are tried one after the other for one attempt while those before are full. */
const CHOICES_MAX = 10;

/** Gives an attempt to the best agent that is free, and works with it in the background. */
export async function reactToAgentStep(c: Coordinator, notice: Notice): Promise<NoticeOutcome> {
  const work = workOf(notice);
  return (await c.held.alone(refOf(work), () => assign(c, work))) ?? BEING_STARTED;
}

async function assign(c: Coordinator, work: Work): Promise<NoticeOutcome> {
  if (c.held.has(refOf(work))) return ANSWERED;
  const [context, { items }] = await Promise.all([contextOf(c, work), c.asker.ask('ListAgents', { tenantId: work.tenantId })]);
  if (!context) return ANSWERED;
  const full: AgentId[] = [];
  for (let choices = 0; choices < CHOICES_MAX; choices += 1) {
    const choice = choose(
      context,
      items.filter((agent) => !full.includes(agent.id)),
    );
    if (choice.kind === 'none') {
      if (choice.busy || full.length > 0) return { kind: 'later', afterMs: FULL_RETRY_MS };
      await c.reporter.fail(work, { type: 'resource', message: `no agent for this step: ${choice.reason}`, retryable: true });
      return ANSWERED;
    }
    const { agent, assignment } = choice;
    const started = startedBy(await c.reporter.start(work, assignment));
    if (started === 'drop') return ANSWERED;
    if (typeof started === 'string') {
      const held = c.held.hold(work, (attempt) =>
        started === 'start' ? runAgentAttempt(c, attempt, { context, agent, assignment }) : reattachAgent(c, attempt, items),
      );
      if (started === 'start') await held;
      return ANSWERED;
    }
    full.push(agent.id);
  }
  return { kind: 'later', afterMs: FULL_RETRY_MS };
}

type Choice =
  | { readonly kind: 'chosen'; readonly agent: AgentView; readonly assignment: Assignment }
  | { readonly kind: 'none'; readonly reason: string; readonly busy: boolean };

/** Another agent than those that failed before; the same again when there is no other. A review goes to nobody who wrote what it reviews. */
function choose(context: StepContext, candidates: readonly AgentView[]): Choice {
  const { step, priority, onCriticalPath } = context;
  const authors = step.kind === 'agent.review' ? authorsOf(context) : [];
  const pool = candidates.filter((agent) => !authors.includes(agent.id));
  const options = { priority, onCriticalPath, policy: context.options.delegation };
  const first = chooseAgent(step.needs, pool, { ...options, excluded: context.excludedAgents });
  const choice =
    first.kind === 'none' && !first.busy && context.excludedAgents.length > 0
      ? chooseAgent(step.needs, pool, { ...options, excluded: [] })
      : first;
  if (choice.kind === 'none') return choice;
  const agent = pool.find((candidate) => candidate.id === choice.assignment.agentId);
  return agent
    ? { kind: 'chosen', agent, assignment: choice.assignment }
    : { kind: 'none', reason: 'the chosen agent is gone', busy: true };
}

const authorsOf = ({ dependencies }: StepContext): readonly unknown[] => dependencies.map(({ output }) => output['agentId']);
