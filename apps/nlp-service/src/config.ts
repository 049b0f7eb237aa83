import {
  choice,
  defineConfig,
  flag,
  integer,
  loadConfig,
  LOG_LEVELS,
  secret,
  text,
  url,
  urls,
  ConfigFault,
  type ConfigOf,
  type Environment,
} from '@taskmaster/service-kit';

/** The seed's default; it may be retired, so the adapter tries the models after it. */
export const DEFAULT_MODEL = 'claude-3-5-sonnet-20241022';

export const definition = defineConfig('nlp-service', {
  NATS_URL: urls({
    default: 'nats://127.0.0.1:4222',
    protocols: ['nats', 'tls', 'ws', 'wss'],
    doc: 'Where the broker is; several addresses of one cluster are separated by commas.',
  }),
  LOG_LEVEL: choice(LOG_LEVELS, { default: 'info', doc: 'The least severe level that is logged.' }),
  NLP_PROVIDER: choice(['anthropic', 'openai', 'offline'], {
    default: 'anthropic',
    doc: 'Who understands requirements. `offline` needs no key and no network: deterministic rules, no model.',
  }),
  NLP_MODEL: text({ default: DEFAULT_MODEL, doc: 'The model to ask first; when the provider no longer knows it, newer ones are tried.' }),
  ANTHROPIC_API_KEY: secret({ optional: true, doc: 'Key for Anthropic; required when NLP_PROVIDER is anthropic.' }),
  OPENAI_API_KEY: secret({ optional: true, doc: 'Key for OpenAI; required when NLP_PROVIDER is openai.' }),
  ANTHROPIC_BASE_URL: url({ optional: true, doc: 'Another address that speaks the API of Anthropic.' }),
  OPENAI_BASE_URL: url({ optional: true, doc: 'Another address that speaks the API of OpenAI.' }),
  NLP_TIMEOUT_MS: integer({ default: 120_000, min: 1_000, max: 600_000, doc: 'How long one question to a provider may take.' }),
  ENABLE_NLP: flag({ default: true, doc: 'Whether workflows understand requirements at all; without, no step reaches this service.' }),
  NLP_CACHING: flag({ default: true, aliases: ['NLP_ENABLE_CACHING'], doc: 'Whether the same question is answered from memory.' }),
});
export type NlpConfig = ConfigOf<typeof definition>;

const KEY_OF = { anthropic: 'ANTHROPIC_API_KEY', openai: 'OPENAI_API_KEY' } as const;

/** @throws ConfigFault naming every bad variable, and the key that the chosen provider lacks */
export function readConfig(environment: Environment): NlpConfig {
  const config = loadConfig(definition, environment);
  const provider = config.NLP_PROVIDER;
  if (provider === 'offline' || !config.ENABLE_NLP) return config;
  const key = KEY_OF[provider];
  if ((config[key] ?? '').trim() !== '') return config;
  throw missingKey(key, provider);
}

const missingKey = (key: string, provider: string): Error =>
  new ConfigFault('nlp-service', [
    {
      variable: key,
      reason: `is required because NLP_PROVIDER is ${provider}; set it, or set NLP_PROVIDER=offline to use the built-in rules`,
    },
  ]);
