export { reactToRequirements } from './interpret.reactor.js';
export type { RequirementInterpreter } from './interpreter.js';
export { OfflineInterpreter } from './offline-interpreter.js';
export type { InterpretPorts } from './parse-requirements.reactor.js';
