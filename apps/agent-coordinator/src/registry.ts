import {
  DEFAULT_TENANT,
  deriveUuid,
  streamOf,
  type AgentCommand,
  type AgentId,
  type AgentProfile,
  type AgentView,
  type CommandId,
  type CommandSender,
  type QueryAsker,
} from '@taskmaster/contracts';
import type { AgentDriver } from './driver.js';

/** Agents whose health one coordinator watches. */
export const WATCHED_AGENTS_MAX = 200;
const DETAIL_CHARS_MAX = 300;
const LANGUAGES = ['javascript', 'typescript', 'python', 'go', 'rust', 'java', 'shell'];

/** An agent that the environment names. */
export interface ConfiguredAgent {
  readonly id: AgentId;
  readonly profile: AgentProfile;
}

export interface AgentAddresses {
  readonly simulated: readonly string[];
  readonly agentapi?: string | undefined;
  readonly claudeCode?: string | undefined;
  readonly codegen?: string | undefined;
  readonly aider?: string | undefined;
  readonly goose?: string | undefined;
}

const general = (name: string, type: string, endpoint: string): AgentProfile => ({
  name,
  type,
  endpoint,
  driver: 'agentapi',
  simulated: false,
  roles: ['developer', 'reviewer', 'tester'],
  capabilities: { implementation: 0.8, testing: 0.7, refactoring: 0.7, documentation: 0.7, review: 0.7 },
  languages: LANGUAGES,
  specialisations: [],
  maxConcurrent: 1,
});

/** The agents that the environment names, in a stable order. Only what is set is registered. */
export function configuredAgents(at: AgentAddresses): readonly ConfiguredAgent[] {
  const real = [
    ['agentapi', 'custom', at.agentapi],
    ['claude-code', 'claude-code', at.claudeCode],
    ['codegen', 'codegen', at.codegen],
    ['aider', 'aider', at.aider],
    ['goose', 'goose', at.goose],
  ] as const;
  const agents = real.flatMap(([name, type, endpoint]) =>
    endpoint === undefined ? [] : [{ id: name as AgentId, profile: profileOf(name, type, endpoint) }],
  );
  return [...agents, ...at.simulated.map((endpoint, i) => simulated(endpoint, i + 1))];
}

function profileOf(name: string, type: string, endpoint: string): AgentProfile {
  const profile = general(name, type, endpoint);
  if (name === 'codegen') return { ...profile, driver: 'remote', maxConcurrent: 5 };
  return { ...profile, specialisations: name === 'claude-code' ? ['refactoring', 'review'] : name === 'aider' ? ['editing'] : [] };
}

// One server is one conversation and takes one prompt after the other; a twin is quick, so its prompts may queue in the driver.
const simulated = (endpoint: string, number: number): ConfiguredAgent => ({
  id: `simulated-${String(number)}` as AgentId,
  profile: {
    ...general(`SIMULATED agent ${String(number)}`, 'custom', endpoint),
    simulated: true,
    specialisations: ['simulated'],
    maxConcurrent: 4,
  },
});

export interface RegistryPorts {
  readonly sender: CommandSender;
  readonly asker: QueryAsker;
  readonly driverOf: (agent: AgentView) => Promise<AgentDriver>;
  /** Told of what could not be asked or said; the next look tries again. */
  readonly onFault: (what: string, error: unknown) => void;
}

/** Registers the configured agents and says when any registered agent can or cannot be reached. */
export class AgentRegistry {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private closed = false;

  constructor(
    private readonly ports: RegistryPorts,
    private readonly actor: string,
    private readonly intervalMs: number,
  ) {}

  async register(agents: readonly ConfiguredAgent[]): Promise<void> {
    for (const { id, profile } of agents) await this.tell(id, { type: 'RegisterAgent', data: { profile } });
  }

  /** Looks once, and goes on looking. */
  async watch(): Promise<void> {
    await this.look();
    this.schedule();
  }

  /** One look at every agent; what has changed becomes a command. */
  look(): Promise<void> {
    this.looking ??= this.lookAtAll().finally(() => {
      this.looking = undefined;
    });
    return this.looking;
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.looking;
  }

  private schedule(): void {
    if (this.closed) return;
    this.timer = setTimeout(
      () =>
        void this.look().finally(() => {
          this.schedule();
        }),
      this.intervalMs,
    ).unref();
  }

  private async lookAtAll(): Promise<void> {
    try {
      const { items } = await this.ports.asker.ask('ListAgents', { tenantId: DEFAULT_TENANT });
      await Promise.all(items.slice(0, WATCHED_AGENTS_MAX).map((agent) => this.lookAt(agent)));
    } catch (error) {
      this.ports.onFault('agents could not be looked at', error);
    }
  }

  private async lookAt(agent: AgentView): Promise<void> {
    const { available, detail } = await this.healthOf(agent);
    if (available === agent.available) return;
    await this.tell(agent.id, { type: 'ReportAgentAvailability', data: { available, detail: detail.slice(0, DETAIL_CHARS_MAX) } });
  }

  private async healthOf(agent: AgentView): Promise<{ readonly available: boolean; readonly detail: string }> {
    try {
      return await (await this.ports.driverOf(agent)).health(agent);
    } catch (error) {
      return { available: false, detail: error instanceof Error ? error.message : 'its health cannot be asked' };
    }
  }

  private async tell(id: AgentId, command: AgentCommand): Promise<void> {
    // Said again, it is answered `noop`: the id names the content, and nobody remembers it.
    const commandId = deriveUuid('registry', id, command.type, JSON.stringify(command.data)) as CommandId;
    const envelope = {
      id: commandId,
      stream: streamOf('agent', id),
      tenantId: DEFAULT_TENANT,
      actor: { kind: 'service', id: this.actor } as const,
      correlationId: id,
      command,
    };
    await this.ports.sender.send(envelope);
  }
}
