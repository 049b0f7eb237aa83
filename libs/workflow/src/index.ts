import type { Command, DomainEvent, StreamCategory } from '@taskmaster/contracts';
import { accessDecider } from './access.js';
import { agentDecider } from './agent.js';
import { workflowDecider } from './decide.js';
import type { Decider } from './decider.js';

export { accessDecider, type Access, type ApiKey } from './access.js';
export { agentDecider, type Agent } from './agent.js';
export { workflowDecider } from './decide.js';
export type { Decider, Decision, DecisionContext } from './decider.js';
export { CHILD_LEASE_MS, childHolding, followedChildren, nextChildMove, refuseChild, type ChildMove, type ChildStep } from './children.js';
export { chooseAgent, DELEGATION_POINTS, type Delegation, type DelegationOptions } from './delegation.js';
export { STEP_TRANSITIONS } from './evolve-step.js';
export { describePlanFault, parsePlan, type Plan, type PlanFault } from './plan.js';
export { allowedTransitions, isTerminal, isValidTransition, type Profile, type StageName, type Transition } from './profiles/profile.js';
export { PROFILES, profileOf } from './profiles/index.js';
export { metricsOf, progressPercentage } from './progress.js';
export { quotaChanges, type QuotaChange } from './quota.js';
export { DEFAULT_RETRY, retryOf, strategyOf, type RecoveryStrategy } from './recovery.js';
export { agentRow, apiKeyRows, stepRows, workflowRow, type AgentRow, type StepRow, type WorkflowRow } from './rows.js';
export { eventsPerSnapshot } from './snapshot.js';
export { stepOf } from './steps.js';
export { upcast } from './upcast.js';
export { stepContextOf, viewOfWorkflow } from './view.js';
export type { LiveWorkflow, Workflow } from './state.js';

/** Any aggregate's decider, for code that handles all of them alike: the category guarantees that state, command and event belong together. */
export type AnyDecider = Decider<unknown, Command, DomainEvent>;

const DECIDERS: Readonly<Record<StreamCategory, AnyDecider>> = {
  workflow: workflowDecider,
  agent: agentDecider,
  access: accessDecider,
};

export const deciderOf = (category: StreamCategory): AnyDecider => DECIDERS[category];
