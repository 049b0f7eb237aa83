import type { AgentId, AgentNeeds, AgentScore, AgentView, Assignment, DelegationPolicy, Priority } from '@taskmaster/contracts';

/** What, beside the needs of the step, decides who gets an attempt. */
export interface DelegationOptions {
  /** Agents that failed this step before. */
  readonly excluded: readonly AgentId[];
  readonly priority: Priority;
  readonly onCriticalPath: boolean;
  readonly policy: DelegationPolicy;
}

export type Delegation =
  | { readonly kind: 'chosen'; readonly assignment: Assignment }
  /** `busy`: an agent that fits is full, so asking again later can help. */
  | { readonly kind: 'none'; readonly reason: string; readonly busy: boolean; readonly scores: readonly AgentScore[] };

/** Most points of each criterion. Language, capability (each) and specialisation are the seed's (S1); the rest rank below a fit. */
export const DELEGATION_POINTS = {
  role: 40,
  capability: 20,
  language: 30,
  specialisation: 25,
  availability: 10,
  load: 15,
  success: 15,
  cost: 10,
} as const;

/** Lines of the score sheet that an assignment keeps: the best ones. */
export const SCORE_SHEET_LINES_MAX = 25;
/** A step asks for the twin by needing this capability or specialisation, or by naming its id. */
export const SIMULATED_CAPABILITY = 'simulated';

/** How much a strong agent is worth more and a cheap one less, 0–1. */
const URGENCY: Readonly<Record<Priority, number>> = { low: 0, medium: 0.25, high: 0.5, critical: 0.75 };
const URGENCY_OF_CRITICAL_PATH = 0.25;

const EXCLUSIONS = {
  other: 'another agent is asked for',
  type: 'another type of agent is asked for',
  failed: 'failed this step before',
  unavailable: 'unavailable',
  full: 'full',
  simulated: 'simulated, and a real agent is registered',
} as const;

/**
 * Chooses the agent of an attempt. A pure function of its arguments: the order of the candidates does not matter and ties go to the
 * smaller id. A simulated agent is considered only when the step asks for one or when no real agent fits what is asked for, whether or
 * not that one is free: simulated work never stands in for real work that has to wait.
 */
export function chooseAgent(needs: AgentNeeds, candidates: readonly AgentView[], options: DelegationOptions): Delegation {
  const simulatedAsked = asksForSimulated(needs);
  const realFits = candidates.some((agent) => !agent.profile.simulated && mismatch(needs, agent) === undefined);
  const scored = candidates.map((agent) => {
    const pushedOut = agent.profile.simulated && realFits && !simulatedAsked ? EXCLUSIONS.simulated : undefined;
    return {
      agent,
      score: scoreAgent(agent, { needs, options, excluded: mismatch(needs, agent) ?? pushedOut ?? obstacle(agent, options) }),
    };
  });
  scored.sort((a, b) => compareScores(a.score, b.score));
  const free = scored.filter((entry) => entry.score.excluded === undefined);
  const preferred = free.find((entry) => entry.agent.profile.simulated === simulatedAsked) ?? free[0];
  const scores = scored.map((entry) => entry.score).slice(0, SCORE_SHEET_LINES_MAX);
  if (preferred === undefined) {
    const all = scored.map((entry) => entry.score);
    return { kind: 'none', reason: whyNone(all), busy: all.some((score) => score.excluded === EXCLUSIONS.full), scores };
  }
  const { agent, score } = preferred;
  const assignment: Assignment = {
    agentId: agent.id,
    agentName: agent.profile.name,
    agentType: agent.profile.type,
    simulated: agent.profile.simulated,
    policy: options.policy,
    reason: whyChosen(
      agent,
      score,
      free.find((entry) => entry !== preferred),
    ),
    scores,
  };
  return { kind: 'chosen', assignment };
}

/** Points of one agent for a step, criterion by criterion, with two decimals. */
function scoreAgent(
  agent: AgentView,
  by: { readonly needs: AgentNeeds; readonly options: DelegationOptions; readonly excluded: string | undefined },
): AgentScore {
  const { needs, options } = by;
  const urgency = URGENCY[options.priority] + (options.onCriticalPath ? URGENCY_OF_CRITICAL_PATH : 0);
  const { profile } = agent;
  const points = {
    role: rolePoints(needs.role, profile.roles),
    capability: rounded(capabilityPoints(needs.capabilities ?? [], profile.capabilities) * (1 + urgency)),
    language: rounded(DELEGATION_POINTS.language * share(needs.languages ?? [], profile.languages)),
    specialisation: rounded(DELEGATION_POINTS.specialisation * share(needs.specialisations ?? [], profile.specialisations)),
    availability: agent.available ? DELEGATION_POINTS.availability : 0,
    load: rounded(DELEGATION_POINTS.load * (1 - Math.min(1, agent.running / Math.max(1, profile.maxConcurrent)))),
    success: rounded(successPoints(agent) * (1 + urgency)),
    cost: rounded(costPoints(profile.costUsd) * (1 - urgency)),
  };
  const total = rounded(Object.values(points).reduce((sum, value) => sum + value, 0));
  return { agentId: agent.id, total, points, ...(by.excluded === undefined ? {} : { excluded: by.excluded }) };
}

/** What no waiting changes: the step asks for somebody else. */
function mismatch(needs: AgentNeeds, agent: AgentView): string | undefined {
  if (needs.agentId !== undefined && needs.agentId !== agent.id) return EXCLUSIONS.other;
  if (needs.agentType !== undefined && folded(needs.agentType) !== folded(agent.profile.type)) return EXCLUSIONS.type;
  return undefined;
}

/** What keeps a fitting agent from this attempt. */
function obstacle(agent: AgentView, options: DelegationOptions): string | undefined {
  if (options.excluded.includes(agent.id)) return EXCLUSIONS.failed;
  if (!agent.available) return EXCLUSIONS.unavailable;
  return agent.running >= agent.profile.maxConcurrent ? EXCLUSIONS.full : undefined;
}

const asksForSimulated = (needs: AgentNeeds): boolean =>
  [...(needs.capabilities ?? []), ...(needs.specialisations ?? [])].some((name) => folded(name) === SIMULATED_CAPABILITY);

/** An agent without roles is a generalist: a quarter of a match. */
function rolePoints(role: string | undefined, roles: readonly string[]): number {
  if (role === undefined) return 0;
  if (roles.length === 0) return DELEGATION_POINTS.role / 4;
  return roles.some((known) => folded(known) === folded(role)) ? DELEGATION_POINTS.role : 0;
}

function capabilityPoints(needed: readonly string[], known: Readonly<Record<string, number>>): number {
  const proficiency = new Map(Object.entries(known).map(([name, value]) => [folded(name), Math.min(1, Math.max(0, value))]));
  return distinct(needed).reduce((sum, name) => sum + DELEGATION_POINTS.capability * (proficiency.get(name) ?? 0), 0);
}

/** The part of what is needed that is there, 0–1; 0 when nothing is needed. */
function share(needed: readonly string[], known: readonly string[]): number {
  const wanted = distinct(needed);
  if (wanted.length === 0) return 0;
  const have = new Set(known.map(folded));
  return wanted.filter((name) => have.has(name)).length / wanted.length;
}

/** Laplace's rule, so that a newcomer starts in the middle. What simulated agents did proves nothing. */
function successPoints(agent: AgentView): number {
  if (agent.profile.simulated) return 0;
  return (DELEGATION_POINTS.success * (agent.succeeded + 1)) / (agent.succeeded + agent.failed + 2);
}

/** Unknown cost counts as half. */
const costPoints = (costUsd: number | undefined): number =>
  costUsd === undefined ? DELEGATION_POINTS.cost / 2 : DELEGATION_POINTS.cost / (1 + Math.max(0, costUsd));

/** Those that can be chosen first, then by points, then by id. */
function compareScores(a: AgentScore, b: AgentScore): number {
  const closed = Number(a.excluded !== undefined) - Number(b.excluded !== undefined);
  if (closed !== 0) return closed;
  if (a.total !== b.total) return b.total - a.total;
  return a.agentId < b.agentId ? -1 : Number(a.agentId > b.agentId);
}

function whyChosen(
  agent: AgentView,
  score: AgentScore,
  next: { readonly agent: AgentView; readonly score: AgentScore } | undefined,
): string {
  const name = `${agent.profile.name}${agent.profile.simulated ? ' (SIMULATED)' : ''}`;
  const best = Object.entries(score.points)
    .filter(([, points]) => points > 0)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, 3)
    .map(([criterion, points]) => `${criterion} ${String(points)}`);
  const sheet = `${String(score.total)} points${best.length === 0 ? '' : ` (${best.join(', ')})`}`;
  if (next === undefined) return `${name} is the only agent that can take it, with ${sheet}.`;
  const ahead = rounded(score.total - next.score.total);
  if (ahead < 0) return `${name} is of the asked kind and has ${sheet}.`;
  if (ahead === 0) return `${name} has ${sheet}, as many as ${next.agent.profile.name}, and the smaller id.`;
  return `${name} has the most, ${sheet}, ${String(ahead)} more than ${next.agent.profile.name}.`;
}

function whyNone(scores: readonly AgentScore[]): string {
  if (scores.length === 0) return 'No agent is registered.';
  const counts = new Map<string, number>();
  for (const { excluded = '' } of scores) counts.set(excluded, (counts.get(excluded) ?? 0) + 1);
  const parts = Object.values(EXCLUSIONS)
    .filter((reason) => counts.has(reason))
    .map((reason) => `${reason}: ${String(counts.get(reason))}`);
  return `No agent can take it (${parts.join('; ')}).`;
}

const folded = (name: string): string => name.trim().toLowerCase();
const distinct = (names: readonly string[]): readonly string[] => [...new Set(names.map(folded))];
const rounded = (value: number): number => Math.round(value * 100) / 100;
