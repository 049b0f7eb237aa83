import { choice, defineConfig, integer, loadConfig, LOG_LEVELS, text, url, type ConfigOf, type Environment } from '@taskmaster/service-kit';

export const SERVICE_NAME = 'state-service';

export const stateConfig = defineConfig(SERVICE_NAME, {
  DATABASE_URL: url({ protocols: ['postgres', 'postgresql'], doc: 'The Postgres that holds the log: the only truth of the platform.' }),
  DATABASE_READ_URL: url({ optional: true, protocols: ['postgres', 'postgresql'], doc: 'A read replica for lists, pages and analytics.' }),
  DATABASE_POOL_SIZE: integer({
    default: 10,
    min: 4,
    max: 500,
    doc: 'Connections of this process: 60 % read, 30 % write, 10 % analytics.',
  }),
  NATS_URL: url({ default: 'nats://127.0.0.1:4222', doc: 'The NATS server with JetStream.' }),
  MAX_CONCURRENT_WORKFLOWS: integer({
    default: 20,
    min: 1,
    max: 100_000,
    doc: 'Workflows of one tenant that run at once; the others wait for a slot.',
  }),
  BOOTSTRAP_API_KEY_HASH: text({ optional: true, doc: 'SHA-256 (hex) of a first API key with the role admin, issued at start once.' }),
  LOG_LEVEL: choice(LOG_LEVELS, { default: 'info', doc: 'How much is logged.' }),
});

export type StateConfig = ConfigOf<typeof stateConfig>;

export const readConfig = (environment: Environment): StateConfig => loadConfig(stateConfig, environment);
