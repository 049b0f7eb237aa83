export { checkRecords, verifyWithRecords } from './check-records.js';
export { createClient, type Client } from './client.js';
export { readEventStream, type ServerSentEvent } from './event-stream.js';
export { ConnectionError, ProblemError, type ProblemDocument, type ProblemPointer } from './problem-error.js';
export { isDecided, recordedClient, type Recorder } from './recorded-client.js';
export type {
  AcceptedPlace,
  AgentPage,
  CommandOptions,
  EventPage,
  EventPageRequest,
  EventsRequest,
  ExecuteAnswer,
  ExecuteOptions,
  ExecuteRequest,
  ExecuteSource,
  ListRequest,
  LiveEvent,
  ParsedRequirement,
  PlatformHealth,
  RequestOptions,
  WorkflowHistory,
  WorkflowLinks,
  WorkflowPage,
} from './shapes.js';
export type { ClientOptions } from './transport.js';
export { allowedTransitions, PROFILES, profileOf, type Profile } from '@taskmaster/workflow';
export { parseClientRecords, type ClientRecord } from '@taskmaster/proof';
