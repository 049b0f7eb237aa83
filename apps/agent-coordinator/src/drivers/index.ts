import type { AgentView, JsonObject } from '@taskmaster/contracts';
import type { AgentDriver, DriverSession, DriverTask } from '../driver.js';
import type { AgentapiDriverOptions } from './agentapi.js';
import { failed } from './failures.js';
import type { ProgramEnvironment } from './program.js';

export interface DriverSettings {
  readonly agentapi?: AgentapiDriverOptions;
  /** What headless agents and programs see of an environment; nothing is inherited. */
  readonly env?: ProgramEnvironment;
}

type Kind = AgentView['profile']['driver'];

/** Gives each agent its driver; one instance per kind, since an agentapi driver lines up the prompts of a server. */
export class Drivers {
  readonly #settings: DriverSettings;
  readonly #made = new Map<Kind, AgentDriver>();

  constructor(settings: DriverSettings = {}) {
    this.#settings = settings;
  }

  of(agent: AgentView): AgentDriver {
    const kind = agent.profile.driver;
    const made = this.#made.get(kind) ?? this.#make(kind);
    this.#made.set(kind, made);
    return made;
  }

  #make(kind: Kind): AgentDriver {
    const { agentapi, env } = this.#settings;
    switch (kind) {
      case 'agentapi':
        return new LazyDriver(async () => new (await import('./agentapi.js')).AgentapiDriver(agentapi));
      case 'headless':
        return new LazyDriver(async () => new (await import('./headless.js')).HeadlessDriver(env));
      case 'command':
        return new LazyDriver(async () => new (await import('./command.js')).CommandDriver(env));
      case 'remote':
        return new AbsentDriver(kind);
    }
  }
}

/** Loads a driver's code with its first use, so that a coordinator without such agents never pays for it. */
class LazyDriver implements AgentDriver {
  readonly #load: () => Promise<AgentDriver>;
  #driver: Promise<AgentDriver> | undefined;

  constructor(load: () => Promise<AgentDriver>) {
    this.#load = load;
  }

  async start(task: DriverTask, report: (message: string) => void): Promise<DriverSession> {
    return (await this.#loaded()).start(task, report);
  }

  async reattach(task: DriverTask, facts: JsonObject): Promise<DriverSession | null> {
    return (await (await this.#loaded()).reattach?.(task, facts)) ?? null;
  }

  async health(agent: AgentView): Promise<{ readonly available: boolean; readonly detail: string }> {
    return (await this.#loaded()).health(agent);
  }

  #loaded(): Promise<AgentDriver> {
    this.#driver ??= this.#load();
    return this.#driver;
  }
}

/** Stands for a kind of agent that this release cannot drive: never available, so never chosen. */
class AbsentDriver implements AgentDriver {
  readonly #detail: string;

  constructor(kind: Kind) {
    this.#detail = `there is no driver for agents of kind ${kind}`;
  }

  start(): Promise<DriverSession> {
    const outcome = Promise.resolve(failed('refused', `The agent cannot be driven: ${this.#detail}.`, { retryable: false }));
    return Promise.resolve({ outcome, stop: () => Promise.resolve(), facts: {} });
  }

  health(): Promise<{ readonly available: boolean; readonly detail: string }> {
    return Promise.resolve({ available: false, detail: this.#detail });
  }
}

const withDefaults = new Drivers();

/** The driver of an agent with default settings. */
export const driverFor = (agent: AgentView): AgentDriver => withDefaults.of(agent);
