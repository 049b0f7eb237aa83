export {
  classifyWork,
  complexityOf,
  extractTaskMetadata,
  ITEM_TYPES,
  type ItemType,
  priorityOf,
  risksOf,
  type TaskMetadata,
  technologiesOf,
} from './classify.js';
export { decomposeTask, type OriginalTask, PLAN_STEPS_SENSIBLE_MAX } from './decompose.js';
export { identifyDependencies, reduceEdges } from './dependencies.js';
export { ITEMS_MAX, type NotUnderstood, type ParsedRequirement, parseRequirements } from './parse.js';
export { clipBytes, utf8Length } from './text.js';
export { idsFrom, slugOf } from './titles.js';
export { OFFLINE_MODEL } from './version.js';
export { type CheckedTask, type Completion, type Finding, validateCompletion } from './completion.js';
export { generateInstructions, type InstructedStep, type InstructionContext, INSTRUCTIONS_BYTES_MAX } from './instructions.js';
export { fitParsed, fitPlan, UNDERSTANDING_BYTES_MAX } from './bounds.js';
export { clipWords } from './phrases.js';
