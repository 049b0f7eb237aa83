import { join } from 'node:path';
import { freePorts } from '@taskmaster/provision';
import type { ProgramName, ServiceName } from './services.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the platform knows and services need to be told. */
export interface VariableInputs {
  readonly env: Environment;
  readonly data: string;
  readonly databaseUrl: string;
  readonly natsUrlFor: (service: ServiceName) => string;
  readonly apiKeyHash: string;
  readonly interpreter: string;
  /** The gateway's. */
  readonly port: number;
  /** The simulated agent's, one per conversation. */
  readonly agentPorts?: readonly number[];
}

/** The variables that the platform sets for a program; the database's address, for one, goes to the state-service only. */
export function variablesOf(program: Exclude<ProgramName, 'simulated-agent'>, inputs: VariableInputs): Readonly<Record<string, string>> {
  if (program === 'engine') {
    const { NATS_URL: COORDINATOR_NATS_URL = '', ...coordinator } = variablesOf('agent-coordinator', inputs);
    return { ...coordinator, COORDINATOR_NATS_URL, ...variablesOf('state-service', inputs) };
  }
  const NATS_URL = inputs.natsUrlFor(program);
  switch (program) {
    case 'state-service':
      return { NATS_URL, DATABASE_URL: inputs.databaseUrl, BOOTSTRAP_API_KEY_HASH: inputs.apiKeyHash };
    case 'nlp-service':
      return { NATS_URL, NLP_PROVIDER: inputs.interpreter };
    case 'agent-coordinator':
      return { NATS_URL, WORKSPACES_DIR: workspacesDirectory(inputs.env, inputs.data), ...agentUrls(inputs.agentPorts) };
    case 'gateway':
      return { NATS_URL, GATEWAY_PORT: String(inputs.port) };
  }
}

/** Where agents work; it may lie on another disk than the data. */
export const workspacesDirectory = (env: Environment, data: string): string => env['WORKSPACES_DIR'] || join(data, 'workspaces');

const agentUrls = (ports: readonly number[] = []): Readonly<Record<string, string>> =>
  ports.length === 0 ? {} : { SIMULATED_AGENT_URLS: ports.map((port) => `http://127.0.0.1:${String(port)}`).join(',') };

const SESSIONS = 4;
const SESSIONS_MAX = 64;

/** The coordinator is told the agent's ports once, so a restarted agent has to come back on the same ones: they are chosen here. */
export async function simulatedAgentVariables(env: Environment, given: Environment = {}): Promise<Readonly<Record<string, string>>> {
  const asked = Number(given['SIMULATED_AGENT_SESSIONS'] ?? env['SIMULATED_AGENT_SESSIONS'] ?? SESSIONS);
  const sessions = Number.isSafeInteger(asked) && asked >= 1 && asked <= SESSIONS_MAX ? asked : SESSIONS;
  const ports = given['SIMULATED_AGENT_PORTS'] ?? env['SIMULATED_AGENT_PORTS'] ?? (await freePorts(sessions)).join(',');
  return { SIMULATED_AGENT_PORTS: ports };
}
