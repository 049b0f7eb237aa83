export { ANSWER_MS_MAX, limitedSocket } from './answer-limit.js';
export { appendBatch, appendGuarded } from './append.js';
export { BATCHES_IN_FLIGHT_MAX, Batcher, type BatcherOptions } from './batcher.js';
export { checkContents, ContentLost, readContent, storeContent, type ContentRef } from './contents.js';
export { DatabaseUnavailable, faultOf, SchemaMismatch, StatementRefused } from './faults.js';
export { instantOf, instantOrNull } from './instants.js';
export { LeaderCandidate, type CandidateOptions, type Leadership } from './leader-lock.js';
export { inspectSchema, migrate, requireSchema } from './migrate.js';
export { migrationFiles, type MigrationFile } from './migration-files.js';
export { PostgresOpenWork, SWEEP_ROWS_MAX, type DueStep, type DueWorkflow, type OpenWork, type QueuedWorkflow } from './open-work.js';
export { logTypes, openPools, READER_ROLE, SERVICE_ROLE, type Pools, type PoolsOptions } from './pools.js';
export { readAll, readHead, readStream, readStreams, readTenant, readTenantStream, recordedEvent, type StoredEvent } from './readers.js';
export * from './rows.js';
export type { SchemaState } from './schema.js';
export { ensureServiceLogin, type ServiceLogin } from './service-login.js';
export { readSnapshots, writeSnapshot, type Snapshot } from './snapshots.js';
export { PostgresEventStore, type EventStore } from './store.js';
export { PostgresEpochStore, type EpochRow } from './epochs.js';
export {
  attemptKey,
  nameOfEvent,
  noticeEventOf,
  noticesOf,
  Relay,
  RELAY_READ_MAX,
  TOLD_MS,
  type NoticeEvent,
  type OfferedRange,
  type RelayPorts,
  type WorkRange,
} from './relay.js';
