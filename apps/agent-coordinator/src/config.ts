import {
  choice,
  defineConfig,
  integer,
  list,
  loadConfig,
  LOG_LEVELS,
  secret,
  text,
  url,
  urls,
  type ConfigOf,
  type Environment,
} from '@taskmaster/service-kit';

export const SERVICE_NAME = 'agent-coordinator';

export const definition = defineConfig(SERVICE_NAME, {
  NATS_URL: urls({
    default: 'nats://127.0.0.1:4222',
    protocols: ['nats', 'tls', 'ws', 'wss'],
    doc: 'Where the broker is; several addresses of one cluster are separated by commas.',
  }),
  LOG_LEVEL: choice(LOG_LEVELS, { default: 'info', doc: 'The least severe level that is logged.' }),
  WORKSPACES_DIR: text({ default: './workspaces', doc: 'Where mirrors, worktrees and the files of running attempts are kept.' }),
  SIMULATED_AGENT_URLS: list({
    default: [],
    doc: 'Addresses of simulated agents to register; what they make is labelled SIMULATED everywhere.',
  }),
  AGENTAPI_URL: url({ optional: true, doc: 'Address of an agentapi server to register as an agent.' }),
  AGENTAPI_KEY: secret({ optional: true, doc: 'Bearer token for a proxy in front of agentapi servers.' }),
  CLAUDE_CODE_ENDPOINT: url({ optional: true, doc: 'Address of an agentapi server that runs Claude Code.' }),
  CODEGEN_ENDPOINT: url({ optional: true, doc: 'Address of the Codegen service.' }),
  AIDER_ENDPOINT: url({ optional: true, doc: 'Address of an agentapi server that runs Aider.' }),
  GOOSE_ENDPOINT: url({ optional: true, doc: 'Address of an agentapi server that runs Goose.' }),
  AGENT_HEALTH_INTERVAL_MS: integer({
    default: 10_000,
    min: 500,
    max: 600_000,
    doc: 'Time between two looks at the health of every agent.',
  }),
  LEASE_MS: integer({
    default: 15_000,
    min: 1_000,
    max: 600_000,
    doc: 'How long an attempt stays with a coordinator that is not heard of.',
  }),
  DRAIN_GRACE_MS: integer({
    default: 3_000,
    min: 0,
    max: 60_000,
    doc: 'How long a stopping coordinator waits for attempts to end; agents that take longer are found again by the next one.',
  }),
  GITHUB_TOKEN: secret({ optional: true, doc: 'Token for repositories whose forge is github.' }),
  GITHUB_API_URL: url({ default: 'https://api.github.com', doc: 'Address of the REST API of GitHub or of a GitHub Enterprise server.' }),
  PATH: text({ default: '/usr/local/bin:/usr/bin:/bin', doc: 'Where git and the commands of steps and validators are looked for.' }),
  COMMAND_ENVIRONMENT: list({
    default: [
      'NPM_CONFIG_REGISTRY',
      'npm_config_registry',
      'NODE_EXTRA_CA_CERTS',
      'SSL_CERT_FILE',
      'HTTP_PROXY',
      'HTTPS_PROXY',
      'NO_PROXY',
      'GOPROXY',
      'PIP_INDEX_URL',
      'JAVA_HOME',
    ],
    doc: 'Names of the variables, beside PATH, that commands of steps and validators may see.',
  }),
  AGENT_ENVIRONMENT: list({
    default: [
      'ANTHROPIC_API_KEY',
      'ANTHROPIC_BASE_URL',
      'OPENAI_API_KEY',
      'OPENAI_BASE_URL',
      'GEMINI_API_KEY',
      'GOOSE_PROVIDER',
      'GOOSE_MODEL',
    ],
    doc: 'Names of the variables, beside those of COMMAND_ENVIRONMENT, that agents started by this service may see.',
  }),
});
export type CoordinatorConfig = ConfigOf<typeof definition> & {
  /** Everything that commands see of this process's environment. */
  readonly commandEnv: Readonly<Record<string, string>>;
  /** Everything that agents started here see of it. */
  readonly agentEnv: Readonly<Record<string, string>>;
};

/** @throws ConfigFault naming every bad variable */
export function readConfig(environment: Environment): CoordinatorConfig {
  const config = loadConfig(definition, environment);
  const given = (names: readonly string[]): Readonly<Record<string, string>> =>
    Object.fromEntries(names.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]] as const])));
  const commandEnv = { ...given(config.COMMAND_ENVIRONMENT), PATH: config.PATH, LC_ALL: 'C.UTF-8' };
  return { ...config, commandEnv, agentEnv: { ...given(config.AGENT_ENVIRONMENT), ...commandEnv } };
}
