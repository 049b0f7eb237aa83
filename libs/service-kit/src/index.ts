export {
  ConfigFault,
  defineConfig,
  describeConfig,
  loadConfig,
  type ConfigDefinition,
  type ConfigOf,
  type Environment,
  type VariableDescription,
  type Variables,
} from './config.js';
export { checkHealth, type HealthReport, type HealthStatus, type Probe, type ProbeResult } from './health.js';
export { createLogger, frameworkLogger, LOG_LEVELS, type FrameworkLogger, type Logger, type LogLevel } from './logger.js';
export { createMetrics, type Counter, type Gauge, type Histogram, type Labels, type Metrics } from './metrics.js';
export {
  announceReady,
  onShutdown,
  sayThatItWaits,
  sayWhyItEnds,
  type Closer,
  type ReadyMessage,
  type Shutdown,
} from './process-lifecycle.js';
export { choice, flag, integer, list, secret, text, url, urls, type Variable, type VariableKind } from './variables.js';
