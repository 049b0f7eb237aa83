export { expectedHash, verifyChain, type LoggedEvent, type Sha256 } from './chain.js';
export {
  parseClientRecords,
  type AcceptedRecord,
  type ClientRecord,
  type FollowedRecord,
  type RefusedRecord,
  type SeenRecord,
} from './client-records.js';
export { ClientAnswers, type PlacedEvent } from './client-rules.js';
export { checkHistory, HistoryChecker, type HistoryCheckerOptions } from './history-checker.js';
export { Findings, VIOLATIONS_MAX, type LogRule } from './invariant.js';
