import type { AgentView } from '@taskmaster/contracts';
import type { AgentDriver } from '../driver.js';
import type { AgentapiDriverOptions } from './agentapi.js';
import type { ProgramEnvironment } from './program.js';

/** No driver speaks to this kind of agent. */
export class DriverUnknown extends Error {
  override readonly name = 'DriverUnknown';
}

export interface DriverSettings {
  readonly agentapi?: AgentapiDriverOptions;
  /** What headless agents and programs see of an environment; nothing is inherited. */
  readonly env?: ProgramEnvironment;
}

/** Gives each agent its driver; a driver's code is loaded when the first agent needs it. */
export class Drivers {
  readonly #settings: DriverSettings;
  readonly #loaded = new Map<string, Promise<AgentDriver>>();

  constructor(settings: DriverSettings = {}) {
    this.#settings = settings;
  }

  /** One instance per kind, since an agentapi driver lines up the prompts of a server. @throws DriverUnknown */
  of(agent: AgentView): Promise<AgentDriver> {
    const kind = agent.profile.driver;
    const known = this.#loaded.get(kind);
    if (known !== undefined) return known;
    const loading = this.#load(kind);
    this.#loaded.set(kind, loading);
    return loading;
  }

  async #load(kind: AgentView['profile']['driver']): Promise<AgentDriver> {
    switch (kind) {
      case 'agentapi':
        return new (await import('./agentapi.js')).AgentapiDriver(this.#settings.agentapi);
      case 'headless':
        return new (await import('./headless.js')).HeadlessDriver(this.#settings.env);
      case 'command':
        return new (await import('./command.js')).CommandDriver(this.#settings.env);
      default:
        throw new DriverUnknown(`no driver for agents of kind ${kind}`);
    }
  }
}

const shared = new Drivers();

/** The driver of an agent with default settings. @throws DriverUnknown */
export const driverFor = (agent: AgentView): Promise<AgentDriver> => shared.of(agent);
