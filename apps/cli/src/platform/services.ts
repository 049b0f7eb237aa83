import { join } from 'node:path';

export const SERVICE_NAMES = ['state-service', 'nlp-service', 'agent-coordinator', 'gateway', 'simulated-agent'] as const;
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** What runs as a process: a service, or the engine, which is two of them (docs/decisions/0029-one-process-decides-and-does.md). */
export const PROGRAM_NAMES = ['engine', ...SERVICE_NAMES] as const;
export type ProgramName = (typeof PROGRAM_NAMES)[number];

/** What runs on one machine, unless every service is to be a process of its own. */
export const PROGRAMS_TOGETHER: readonly ProgramName[] = ['engine', 'nlp-service', 'gateway', 'simulated-agent'];

export const servicesOf = (program: ProgramName): readonly ServiceName[] =>
  program === 'engine' ? ['state-service', 'agent-coordinator'] : [program];

type Environment = Readonly<Record<string, string | undefined>>;

/** What every process needs to run at all; none of it is a secret. */
const COMMON_VARIABLES = ['PATH', 'LANG', 'LC_ALL', 'TZ', 'NODE_ENV', 'LOG_LEVEL', 'NODE_EXTRA_CA_CERTS', 'TMPDIR'];
const PROXY_VARIABLES = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'http_proxy', 'https_proxy', 'no_proxy'];

/** Variables that name a real agent. */
export const AGENT_VARIABLES = ['AGENTAPI_URL', 'CLAUDE_CODE_ENDPOINT', 'CODEGEN_ENDPOINT', 'AIDER_ENDPOINT', 'GOOSE_ENDPOINT'];

/** Least privilege: what each service may see of the command's environment. A service that is taken over has no other secrets. */
const OWN_VARIABLES: Readonly<Record<ServiceName, readonly string[]>> = {
  'state-service': ['MAX_CONCURRENT_WORKFLOWS', 'NATS_REPLICAS', 'DEFAULT_WORKFLOW_TIMEOUT', 'DATABASE_*'],
  'nlp-service': ['NLP_*', 'ENABLE_NLP', 'ANTHROPIC_*', 'OPENAI_*', ...PROXY_VARIABLES],
  'agent-coordinator': [
    'HOME',
    'USER',
    'SHELL',
    ...AGENT_VARIABLES,
    'AGENTAPI_KEY',
    'SIMULATED_AGENT_URLS',
    'AGENT_*',
    'CODEGEN_*',
    'GITHUB_*',
    'WORKSPACES_DIR',
    'LEASE_MS',
    'DRAIN_GRACE_MS',
    'COMMAND_ENVIRONMENT',
    ...PROXY_VARIABLES,
  ],
  gateway: ['GATEWAY_*', 'ENABLE_*', 'DEFAULT_WORKFLOW_TIMEOUT', 'RATE_LIMIT_*', 'JWT_*', 'CORS_*'],
  'simulated-agent': ['SIMULATED_AGENT_*'],
};

/** What commands of steps and validators may see, unless `COMMAND_ENVIRONMENT` names it: how they reach packages and programs. */
const COMMAND_VARIABLES = ['NPM_CONFIG_REGISTRY', 'npm_config_registry', 'SSL_CERT_FILE', 'GOPROXY', 'PIP_INDEX_URL', 'JAVA_HOME'];

function namesFor(service: ServiceName, env: Environment): readonly string[] {
  if (service !== 'agent-coordinator') return OWN_VARIABLES[service];
  const forCommands = env['COMMAND_ENVIRONMENT']?.split(',').map((name) => name.trim());
  return [...OWN_VARIABLES[service], ...(forCommands ?? COMMAND_VARIABLES)];
}

/** The variables of the command's environment that this process may see. */
export function visibleTo(program: ProgramName, env: Environment): Record<string, string> {
  const patterns = [...COMMON_VARIABLES, ...servicesOf(program).flatMap((service) => namesFor(service, env))];
  const isVisible = (name: string): boolean =>
    patterns.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern));
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value !== undefined && isVisible(name) ? [[name, value]] : [])),
  );
}

export const mainFileOf = (home: string, program: ProgramName): string => join(home, 'apps', program, 'dist', 'main.js');
export const migrationFileOf = (home: string): string => join(home, 'apps', 'state-service', 'dist', 'migrate.js');

/** Whether the environment names an agent that is not ours. */
export const namesRealAgent = (env: Environment): boolean => AGENT_VARIABLES.some((name) => Boolean(env[name]));
