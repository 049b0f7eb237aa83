import {
  choice,
  ConfigFault,
  defineConfig,
  flag,
  integer,
  loadConfig,
  LOG_LEVELS,
  text,
  urls,
  type ConfigOf,
  type Environment,
} from '@taskmaster/service-kit';

/** Everything the gateway can be told. */
export const GATEWAY_CONFIG = defineConfig('gateway', {
  NATS_URL: urls({
    default: 'nats://127.0.0.1:4222',
    protocols: ['nats', 'tls', 'ws', 'wss'],
    doc: 'Where the broker is; several addresses of one cluster are separated by commas.',
  }),
  GATEWAY_HOST: text({ default: '127.0.0.1', doc: 'Address to listen on. Anything but loopback needs authentication.' }),
  GATEWAY_PORT: integer({ default: 3000, min: 0, max: 65_535, doc: 'Port to listen on; 0 takes a free one.' }),
  ENABLE_AUTH: flag({ default: true, doc: 'Whether an API key is required. Only on loopback can this be switched off.' }),
  ENABLE_NLP: flag({ default: true, doc: 'Whether requirements are understood by nlp-service; a request may say otherwise.' }),
  ENABLE_AGENT_COORDINATION: flag({ default: true, doc: 'Whether steps are given to agents; a request may say otherwise.' }),
  DEFAULT_WORKFLOW_TIMEOUT: integer({
    default: 3_600_000,
    min: 1,
    max: 2_592_000_000,
    doc: 'Milliseconds a workflow may take when its request does not say.',
  }),
  RATE_LIMIT_PER_MINUTE: integer({
    default: 120_000,
    min: 1,
    max: 100_000_000,
    doc: 'Requests of one API key per minute and gateway process.',
  }),
  LOG_LEVEL: choice(LOG_LEVELS, { default: 'info', doc: 'What is logged.' }),
});
export type GatewayConfig = ConfigOf<typeof GATEWAY_CONFIG>;

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/** @throws ConfigFault */
export function loadGatewayConfig(environment: Environment = process.env): GatewayConfig {
  const config = loadConfig(GATEWAY_CONFIG, environment);
  if (!config.ENABLE_AUTH && !LOOPBACK.has(config.GATEWAY_HOST)) {
    throw new ConfigFault('gateway', [
      { variable: 'ENABLE_AUTH', reason: 'authentication can only be switched off when GATEWAY_HOST is a loopback address' },
    ]);
  }
  return config;
}
