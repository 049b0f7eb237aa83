export { reactToAgentStep } from './assign-step.reactor.js';
export { reactToChangeStep } from './change.reactor.js';
export type { Coordinator } from './coordinator.js';
export { resume } from './create-coordinator.js';
export type { AgentDriver, DriverOutcome, DriverSession, DriverTask } from './driver.js';
export { HeldAttempts } from './held-attempts.js';
export { recoverSessions } from './recover.js';
export { reactToCommandStep } from './run-command.reactor.js';
export { StepReporter } from './steps.js';
