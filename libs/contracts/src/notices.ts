import type { EventId, StepId, TenantId, WorkflowId } from './ids.js';
import type { JsonObject } from './json.js';
import type { KindGroup, StepKind } from './plan.js';
import type { WorkflowView } from './queries.js';

/** An event that some service must act on, on its way to that service: one attempt that became ready. */
export interface Notice {
  readonly eventId: EventId;
  readonly position: number;
  readonly tenantId: TenantId;
  readonly workflowId: WorkflowId;
  readonly stepId: StepId;
  readonly attempt: number;
  readonly kind: StepKind;
  readonly input: JsonObject;
  readonly correlationId: string;
  readonly traceparent?: string;
}

/** Payload of one JetStream message on `tm.work.<group>`. A marker has no notices. */
export interface NoticeMessage {
  readonly notices: readonly Notice[];
}

/**
 * What a message says of the log, in its headers. The positions `after+1 … upto` are wholly published once this message is in the
 * stream; a part of a read that is not its last carries `upto = after`. Each message's `after` is the `upto` of the one before it.
 */
export interface NoticeCover {
  readonly epoch: number;
  readonly after: number;
  readonly upto: number;
}

const GROUPS: Readonly<Record<StepKind, KindGroup | undefined>> = {
  'requirements.parse': 'requirements',
  'requirements.decompose': 'requirements',
  'requirements.instruct': 'requirements',
  'requirements.check': 'requirements',
  'agent.run': 'agent',
  'agent.review': 'agent',
  'command.run': 'command',
  'change.land': 'change',
  'change.validate': 'change',
  'change.merge': 'change',
  'change.discard': 'change',
  'workflow.run': undefined,
  'wait.timer': undefined,
  'wait.signal': undefined,
  'human.approve': undefined,
  'human.input': undefined,
  'external.call': undefined,
};

/** The group whose subject carries a kind's notices; undefined for kinds that state-service does itself, and those that people or programs answer. */
export const kindGroupOf = (kind: StepKind): KindGroup | undefined => GROUPS[kind];

/** Whether people or programs outside the platform answer it: nobody is told again, and its deadline is its own. */
export const isAnsweredOutside = (kind: StepKind): boolean => kind.startsWith('human.') || kind.startsWith('external.');

/** One commit of the log, after it happened. A listener that misses a range reads it from the log. */
export interface FeedMessage {
  readonly first: number;
  readonly last: number;
  readonly events: readonly FeedEvent[];
}

/** A workflow that has just ended. Its view is left out when it is too large to be told to everybody. */
export interface EndedWorkflow {
  readonly stream: string;
  readonly tenantId: TenantId;
  readonly view?: WorkflowView;
}

export interface FeedEvent {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly tenantId: TenantId;
  readonly type: string;
  readonly occurredAt: string;
  readonly data: unknown;
}
