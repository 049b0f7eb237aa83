import { assertNever, invariant, type AgentCommand, type AgentEvent, type AgentProfile, type Fact } from '@taskmaster/contracts';
import { accept, noop, reject, type Decider } from './decider.js';

export type Agent =
  | { readonly status: 'absent' }
  | {
      readonly status: 'registered';
      readonly version: number;
      readonly profile: AgentProfile;
      readonly available: boolean;
      readonly detail: string;
    };

const same = (a: AgentProfile, b: AgentProfile): boolean => JSON.stringify(a) === JSON.stringify(b);

/** An agent's stream: what it is, and whether it can be reached. */
export const agentDecider: Decider<Agent, AgentCommand, AgentEvent> = {
  initial: { status: 'absent' },

  decide(command, agent) {
    switch (command.type) {
      case 'RegisterAgent': {
        const { profile } = command.data;
        if (agent.status === 'absent') return accept<AgentEvent>({ type: 'AgentRegistered', data: { profile } });
        return same(agent.profile, profile)
          ? noop('already registered so')
          : accept<AgentEvent>({ type: 'AgentRevised', data: { profile } });
      }
      case 'ReportAgentAvailability': {
        const { available, detail } = command.data;
        if (agent.status === 'absent') return reject('agent-not-found', 'register the agent first');
        if (agent.available === available) return noop('already so');
        return accept<AgentEvent>({ type: available ? 'AgentBecameAvailable' : 'AgentBecameUnavailable', data: { detail } });
      }
      default:
        return assertNever(command);
    }
  },

  evolve(agent, fact: Fact<AgentEvent>): Agent {
    if (fact.type === 'AgentRegistered') {
      invariant(agent.status === 'absent', 'an agent is registered once');
      return { status: 'registered', version: 1, profile: fact.data.profile, available: false, detail: 'not probed yet' };
    }
    invariant(agent.status === 'registered', `${fact.type} needs a registered agent`);
    const version = agent.version + 1;
    switch (fact.type) {
      case 'AgentRevised':
        return { ...agent, version, profile: fact.data.profile };
      case 'AgentBecameAvailable':
        return { ...agent, version, available: true, detail: fact.data.detail };
      case 'AgentBecameUnavailable':
        return { ...agent, version, available: false, detail: fact.data.detail };
      default:
        return assertNever(fact);
    }
  },
};
