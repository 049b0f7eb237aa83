export { InMemoryDatabase } from './in-memory-database.js';
export type { StepRow, Tables, WorkflowRow } from './tables.js';
