import { parse as bytesOfUuid, v5 as uuidv5 } from 'uuid';
import { err, ok, type Result } from './result.js';

declare const brand: unique symbol;
/** A nominal type: a `WorkflowId` cannot be passed where a `StepId` is wanted. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** `wf_` and 26 characters of Crockford base32, time-sortable; external ids are kept as they are. */
export type WorkflowId = Brand<string, 'WorkflowId'>;
/** Lower case letters, digits and dashes, 1–48 characters; ids starting with `tm-` belong to the platform's own stage steps. */
export type StepId = Brand<string, 'StepId'>;
export type AgentId = Brand<string, 'AgentId'>;
export type TaskId = Brand<string, 'TaskId'>;
export type TenantId = Brand<string, 'TenantId'>;
/** UUID; for a client command derived from tenant and idempotency key, for a reaction from the event that caused it. */
export type CommandId = Brand<string, 'CommandId'>;
/** UUID, derived from stream and version. */
export type EventId = Brand<string, 'EventId'>;
/** `<category>-<id>`, for example `workflow-wf_01j…`. */
export type StreamId = Brand<string, 'StreamId'>;
/** ISO-8601 in UTC with milliseconds. */
export type Timestamp = Brand<string, 'Timestamp'>;

/** The aggregates that have streams. */
export const STREAM_CATEGORIES = ['workflow', 'agent', 'access'] as const;
export type StreamCategory = (typeof STREAM_CATEGORIES)[number];

/** One attempt of one step of one workflow; the name of everything an attempt owns. */
export interface AttemptRef {
  readonly workflowId: WorkflowId;
  readonly stepId: StepId;
  /** From 1. */
  readonly attempt: number;
}

export const DEFAULT_TENANT = 'default' as TenantId;

// Bytes, because text would be parsed again for every id.
const NAMESPACE = bytesOfUuid('b0a7c7de-7a36-5c4e-9f0e-6f2d5a3c1e10');
const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';
const ID_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;
const STEP_ID_PATTERN = /^[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?$/;
const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** What stage steps' ids start with; a plan may not use it. */
export const STAGE_STEP_PREFIX = 'tm-';

/** Derives an id from the things that name it, so that the same cause gives the same id for ever. */
export const deriveUuid = (...parts: readonly string[]): string => uuidv5(parts.join('\u0000'), NAMESPACE);

export const eventIdOf = (stream: StreamId, version: number): EventId => deriveUuid('event', stream, String(version)) as EventId;

/** The command id of a client's request: the same key of the same tenant is the same command. */
export const clientCommandId = (tenant: TenantId, idempotencyKey: string): CommandId =>
  deriveUuid('client', tenant, idempotencyKey) as CommandId;

/** The command id of a reaction: derived from the event and the command's type, with an ordinal where a reaction sends two of a type. */
export const reactionCommandId = (cause: EventId | string, commandType: string, ordinal = 0): CommandId =>
  deriveUuid('reaction', cause, commandType, String(ordinal)) as CommandId;

export const streamOf = (category: StreamCategory, id: string): StreamId => `${category}-${id}` as StreamId;
export const workflowStream = (id: WorkflowId): StreamId => streamOf('workflow', id);

/** The category of a stream id; undefined when it is none of ours. */
export function categoryOf(stream: StreamId): StreamCategory | undefined {
  const category = stream.slice(0, stream.indexOf('-'));
  return STREAM_CATEGORIES.find((known) => known === category);
}

/** What follows the category in a stream id. */
export const idOf = (stream: StreamId): string => stream.slice(stream.indexOf('-') + 1);

/** Makes a prefixed, time-sortable id of 10 time characters and 16 random ones. `random` holds at least 16 bytes. */
export function sortableId(prefix: string, nowMs: number, random: Uint8Array): string {
  let time = '';
  for (let i = 0, rest = nowMs; i < 10; i += 1, rest = Math.floor(rest / 32)) time = CROCKFORD.charAt(rest % 32) + time;
  let tail = '';
  for (let i = 0; i < 16; i += 1) tail += CROCKFORD.charAt((random[i] ?? 0) % 32);
  return `${prefix}_${time}${tail}`;
}

/** A name for a new workflow. Names that were made one after the other lie side by side in every index. */
export const newWorkflowId = (nowMs: number, random: Uint8Array): WorkflowId => sortableId('wf', nowMs, random) as WorkflowId;

const SORTABLE_WORKFLOW_ID = /^wf_[0-9a-hjkmnp-tv-z]{26}$/;
const TIME_CHARS = 10;

/** The name of the child workflow that an attempt of a `workflow.run` step is: always the same, and beside its parent's in every index. */
export function childWorkflowId({ workflowId, stepId, attempt }: AttemptRef): WorkflowId {
  const uuid = deriveUuid('child', workflowId, stepId, String(attempt));
  const tail = bytesOfUuid(uuid).reduce((text, byte) => text + CROCKFORD.charAt(byte % 32), '');
  const time = SORTABLE_WORKFLOW_ID.test(workflowId) ? workflowId.slice(3, 3 + TIME_CHARS) : '0'.repeat(TIME_CHARS);
  return `wf_${time}${tail}` as WorkflowId;
}

const parser =
  <T extends string>(what: string, pattern: RegExp) =>
  (text: unknown): Result<T, string> =>
    typeof text === 'string' && pattern.test(text) ? ok(text as T) : err(`not a valid ${what}`);

export const parseWorkflowId = parser<WorkflowId>('workflow id', ID_PATTERN);
export const parseStepId = parser<StepId>('step id', STEP_ID_PATTERN);
export const parseAgentId = parser<AgentId>('agent id', ID_PATTERN);
export const parseTaskId = parser<TaskId>('task id', ID_PATTERN);
export const parseTenantId = parser<TenantId>('tenant id', /^[a-z0-9][a-z0-9-]{0,62}$/);
export const parseCommandId = parser<CommandId>('command id', UUID_PATTERN);
export const parseStreamId = parser<StreamId>('stream id', /^(workflow|agent|access)-[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/);

export function parseTimestamp(text: unknown): Result<Timestamp, string> {
  if (typeof text !== 'string') return err('not an instant');
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? err('not an instant') : ok(timestampOf(ms));
}

/** @param ms milliseconds since the epoch */
export const timestampOf = (ms: number): Timestamp => new Date(ms).toISOString() as Timestamp;
export const msOf = (at: Timestamp): number => Date.parse(at);
export const addMs = (at: Timestamp, ms: number): Timestamp => timestampOf(msOf(at) + ms);
