import { choice, defineConfig, integer, list, LOG_LEVELS, text } from '@taskmaster/service-kit';

/** Every variable of the simulated agent. */
export const configuration = defineConfig('simulated-agent', {
  SIMULATED_AGENT_HOST: text({ default: '127.0.0.1', doc: 'Address the simulated agent listens on.' }),
  SIMULATED_AGENT_SESSIONS: integer({ default: 4, min: 1, max: 64, doc: 'Conversations, each on a port of its own.' }),
  SIMULATED_AGENT_PORTS: list({ default: [], doc: 'Ports of the conversations, in order; free ones where none is given.' }),
  SIMULATED_AGENT_STABLE_MS: integer({
    default: 60,
    min: 10,
    max: 60_000,
    doc: 'Quiet time in milliseconds after which the status is stable (agentapi: 2000).',
  }),
  SIMULATED_AGENT_THINK_MS: integer({
    default: 0,
    min: 0,
    max: 3_600_000,
    doc: 'Time in milliseconds the simulated agent waits before it edits.',
  }),
  SIMULATED_AGENT_SCENARIO: text({
    default: '',
    doc: 'A JSON file that tells the simulated agent to misbehave; read anew for every prompt.',
  }),
  LOG_LEVEL: choice(LOG_LEVELS, { default: 'info', doc: 'How much is logged.' }),
});
