export { expectedHash, verifyChain, type LoggedEvent, type Sha256 } from './chain.js';
export { checkHistory, HistoryChecker, type HistoryCheckerOptions } from './history-checker.js';
export { Findings, VIOLATIONS_MAX, type LogRule } from './invariant.js';
