import { readConfig as readCoordinatorConfig, type CoordinatorConfig } from '@taskmaster/agent-coordinator';
import { defineConfig, loadConfig, urls, type Environment } from '@taskmaster/service-kit';
import { readConfig as readStateConfig, type StateConfig } from '@taskmaster/state-service';

export const SERVICE_NAME = 'engine';

/** What it reads beside the variables of both services. */
export const engineConfig = defineConfig(SERVICE_NAME, {
  COORDINATOR_NATS_URL: urls({
    optional: true,
    protocols: ['nats', 'tls', 'ws', 'wss'],
    doc: 'Where the broker is for the agent-coordinator, when each service is a user of its own there; else NATS_URL is for both.',
  }),
});

export interface EngineConfig {
  readonly state: StateConfig;
  readonly coordinator: CoordinatorConfig;
}

/** @throws ConfigFault naming every bad variable of the first of them that has one */
export function readConfig(environment: Environment): EngineConfig {
  const { COORDINATOR_NATS_URL } = loadConfig(engineConfig, environment);
  return {
    state: readStateConfig(environment),
    coordinator: readCoordinatorConfig({ ...environment, NATS_URL: COORDINATOR_NATS_URL ?? environment['NATS_URL'] }),
  };
}
