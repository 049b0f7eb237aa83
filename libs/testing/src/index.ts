export { openAddress, type Address } from './address.js';
export { startBroker, type TestBroker } from './broker.js';
export { emptyDatabase, freshDatabase, type FreshDatabase } from './database.js';
export { eventually } from './eventually.js';
export { replicatedDatabase, type ReplicatedDatabase } from './replicated-database.js';
export { seededRandom, type SeededRandom } from './random.js';
export { makeRepository, type RepositoryOptions, type TestRepository } from './repository.js';
export { closeRun, openRun, runSubdirectory } from './run.js';
export { specificationOf, type Given, type Outcome, type SpecifiedDecider, type SpecifiedDecision } from './specification.js';
