import { createLogger, loadConfig, onShutdown, sayWhyItEnds } from '@taskmaster/service-kit';
import { configuration } from './config.js';
import { openSimulatedAgent, readScenario } from './simulated-agent.js';

sayWhyItEnds('simulated-agent');
const config = loadConfig(configuration, process.env);
const logger = createLogger({ service: 'simulated-agent', level: config.LOG_LEVEL });
if ((await readScenario(config.SIMULATED_AGENT_SCENARIO)).exitBeforeListening) process.exit(1);

const agent = await openSimulatedAgent({
  ports: Array.from({ length: config.SIMULATED_AGENT_SESSIONS }, (_, index) => Number(config.SIMULATED_AGENT_PORTS[index] ?? 0)),
  host: config.SIMULATED_AGENT_HOST,
  stableMs: config.SIMULATED_AGENT_STABLE_MS,
  thinkMs: config.SIMULATED_AGENT_THINK_MS,
  scenarioPath: config.SIMULATED_AGENT_SCENARIO,
  crash: () => process.exit(70),
});
onShutdown([{ name: 'sessions', close: () => agent.close() }], { logger });

// The usual ready message and the ports of all sessions, each of which is an agent of its own to whoever registers them.
const ready = { type: 'ready', service: 'simulated-agent', port: agent.ports[0], ports: agent.ports };
if (process.connected) process.send?.(ready, undefined, undefined, () => undefined);
logger.info({ ports: agent.ports }, 'ready');
