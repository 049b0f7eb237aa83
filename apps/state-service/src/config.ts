import {
  choice,
  defineConfig,
  integer,
  loadConfig,
  LOG_LEVELS,
  secret,
  text,
  url,
  urls,
  type ConfigOf,
  type Environment,
} from '@taskmaster/service-kit';

export const SERVICE_NAME = 'state-service';

const DATABASE_DOC =
  'The Postgres that holds the log: the only truth of the platform. Migrations need a user that may create tables and roles.';

export const stateConfig = defineConfig(SERVICE_NAME, {
  DATABASE_URL: url({ protocols: ['postgres', 'postgresql'], doc: DATABASE_DOC }),
  DATABASE_READ_URL: url({ optional: true, protocols: ['postgres', 'postgresql'], doc: 'A read replica for lists, pages and analytics.' }),
  DATABASE_POOL_SIZE: integer({
    default: 10,
    min: 4,
    max: 500,
    doc: 'Connections of this process: 60 % read, 30 % write, 10 % analytics.',
  }),
  NATS_URL: urls({
    default: 'nats://127.0.0.1:4222',
    protocols: ['nats', 'tls', 'ws', 'wss'],
    doc: 'Where the broker is; several addresses of one cluster are separated by commas.',
  }),
  NATS_REPLICAS: integer({
    default: 1,
    min: 1,
    max: 5,
    doc: 'Copies of the work stream that the broker keeps; more than one takes a cluster of at least as many nodes.',
  }),
  MAX_CONCURRENT_WORKFLOWS: integer({
    default: 20,
    min: 1,
    max: 100_000,
    doc: 'Workflows of one tenant that run at once; the others wait for a slot.',
  }),
  BOOTSTRAP_API_KEY_HASH: text({ optional: true, doc: 'SHA-256 (hex) of a first API key with the role admin, issued at start once.' }),
  LOG_LEVEL: choice(LOG_LEVELS, { default: 'info', doc: 'How much is logged.' }),
});

/** What the migrations are told; only `dist/migrate.js` reads it. */
export const migrationConfig = defineConfig('migration', {
  DATABASE_URL: url({ protocols: ['postgres', 'postgresql'], doc: DATABASE_DOC }),
  SERVICE_DATABASE_USER: text({ default: 'taskmaster_state', doc: 'The database user as which the state-service is to run.' }),
  SERVICE_DATABASE_PASSWORD: secret({
    optional: true,
    doc: 'When set, that user is made or given this password. It owns nothing and may not change what is recorded.',
  }),
});

export type StateConfig = ConfigOf<typeof stateConfig>;

export const readConfig = (environment: Environment): StateConfig => loadConfig(stateConfig, environment);
export const readMigrationConfig = (environment: Environment): ConfigOf<typeof migrationConfig> => loadConfig(migrationConfig, environment);
