export { reactToAgentStep } from './assign-step.reactor.js';
export { reactToChangeStep } from './change.reactor.js';
export { ANSWERED, contextOf, settle, startAndHold, type Coordinator, type Ending } from './coordinator.js';
export { resume } from './create-coordinator.js';
export type { AgentDriver, DriverOutcome, DriverSession, DriverTask } from './driver.js';
export { HeldAttempts, type Held } from './held-attempts.js';
export { recoverSessions } from './recover.js';
export { reactToCommandStep } from './run-command.reactor.js';
export { refOf, StepReporter, workOf, type Work } from './steps.js';
