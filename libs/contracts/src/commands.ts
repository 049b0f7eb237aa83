import type { AgentId, CommandId, StepId, StreamId, TenantId, Timestamp } from './ids.js';
import type { JsonObject } from './json.js';
import type { AgentProfile, Assignment, Message, Role, StepError } from './events.js';
import type { Notice } from './notices.js';
import type { KindGroup } from './plan.js';
import type { RejectionCode } from './rejections.js';
import type { WorkflowRequest } from './workflow-request.js';

/** What people ask for. Its answer is stored under the command id and given again. */
export type WorkflowClientCommand =
  | Message<'RequestWorkflow', { readonly request: WorkflowRequest }>
  | Message<'PauseWorkflow', { readonly reason: string }>
  | Message<'ResumeWorkflow', { readonly reason: string }>
  | Message<'CancelWorkflow', { readonly reason: string }>
  | Message<'TransitionWorkflow', { readonly to: string; readonly reason: string; readonly metadata: JsonObject }>
  | Message<'ResolveEscalation', { readonly escalationId: string; readonly decision: 'retry' | 'fail'; readonly note: string }>;

/** What reactions, timers and sweeps ask for. A "no" is never remembered. */
export type WorkflowSystemCommand =
  | Message<'AdmitWorkflow', Record<string, never>>
  /** Makes the start of a long step durable. The same holder asking again is answered `duplicate`: reattach, never start again. */
  | Message<
      'StartStep',
      {
        readonly stepId: StepId;
        readonly attempt: number;
        readonly holder: string;
        readonly leaseMs: number;
        readonly assignment?: Assignment;
      }
    >
  | Message<'ReportProgress', { readonly stepId: StepId; readonly attempt: number; readonly message: string }>
  | Message<
      'CompleteStep',
      { readonly stepId: StepId; readonly attempt: number; readonly by: string; readonly durationMs: number; readonly output: JsonObject }
    >
  | Message<'FailStep', { readonly stepId: StepId; readonly attempt: number; readonly by: string; readonly error: StepError }>
  /** A retry timer came due. */
  | Message<'RetryStep', { readonly stepId: StepId; readonly attempt: number }>
  /** A lease or a deadline of an attempt may have passed; the rules look. */
  | Message<'ExpireStep', { readonly stepId: StepId; readonly attempt: number; readonly leaseExpiresAt?: Timestamp }>
  /** The workflow's or its escalation's deadline may have passed; the rules look. */
  | Message<'ExpireWorkflow', Record<string, never>>;

export type WorkflowCommand = WorkflowClientCommand | WorkflowSystemCommand;

export type AgentCommand =
  | Message<'RegisterAgent', { readonly profile: AgentProfile }>
  | Message<'ReportAgentAvailability', { readonly available: boolean; readonly detail: string }>;

export type AccessCommand =
  | Message<'IssueApiKey', { readonly keyId: string; readonly name: string; readonly role: Role; readonly hash: string }>
  | Message<'RevokeApiKey', { readonly keyId: string; readonly reason: string }>;

export type Command = WorkflowCommand | AgentCommand | AccessCommand;
export type CommandType = Command['type'];

/** Commands whose answer is remembered under their id. */
export const CLIENT_COMMAND_TYPES = [
  'RequestWorkflow',
  'PauseWorkflow',
  'ResumeWorkflow',
  'CancelWorkflow',
  'TransitionWorkflow',
  'ResolveEscalation',
  'IssueApiKey',
  'RevokeApiKey',
] as const satisfies readonly CommandType[];
export type ClientCommandType = (typeof CLIENT_COMMAND_TYPES)[number];
export const isClientCommandType = (type: string): type is ClientCommandType => (CLIENT_COMMAND_TYPES as readonly string[]).includes(type);

/** Who did it. `service` for our own processes, `system` for timers and sweeps. */
export interface Actor {
  readonly kind: 'user' | 'service' | 'system';
  readonly id: string;
}

/** A command on its way to state-service. */
export interface CommandEnvelope<C extends Command = Command> {
  readonly id: CommandId;
  readonly stream: StreamId;
  readonly tenantId: TenantId;
  readonly actor: Actor;
  readonly correlationId: string;
  /** The event that caused this command. */
  readonly causationId?: string;
  readonly traceparent?: string;
  readonly command: C;
}

/** What a command was answered. */
export type CommandAnswer =
  | { readonly outcome: 'accepted'; readonly stream: StreamId; readonly version: number; readonly position: number }
  /** A client command seen before: its first answer again. For `StartStep`: the same holder already holds it. */
  | { readonly outcome: 'duplicate'; readonly first: CommandAnswer | null }
  | { readonly outcome: 'rejected'; readonly code: RejectionCode; readonly detail: string; readonly data?: JsonObject }
  /** Already so, or no longer relevant. */
  | { readonly outcome: 'noop'; readonly detail: string }
  /** A limit is full: nothing is stored, the notice stays open, ask again. */
  | { readonly outcome: 'later'; readonly detail: string; readonly retryAfterMs: number }
  /** Another holder has this attempt. */
  | { readonly outcome: 'held'; readonly holder: string };

/** Payload of `tm.cmd`. At most COMMANDS_PER_REQUEST_MAX commands. */
export interface CommandRequest {
  readonly commands: readonly CommandEnvelope[];
  /** Groups whose work the sender does: what the commands make ready in them, it is told with the answers. */
  readonly works?: readonly KindGroup[];
}

/** Answers in the order of the commands; `fault` where state-service could not decide (ask again with the same id). */
export interface CommandReply {
  readonly answers: readonly (CommandAnswer | { readonly outcome: 'fault'; readonly detail: string })[];
  /** Work that the commands made ready, ahead of the messages that carry the same notices. Nothing depends on it. */
  readonly ahead?: readonly Notice[];
}

/** A lease renewal; a row, not an event. Payload of `tm.qry.RenewLeases`. */
export interface LeaseRenewal {
  readonly tenantId: TenantId;
  readonly workflowId: string;
  readonly stepId: StepId;
  readonly attempt: number;
  readonly holder: string;
  readonly leaseMs: number;
}

/** `lost`: the attempt is settled, cancelled or held by another; stop its work. */
export type LeaseAnswer = 'renewed' | 'lost';

export type { AgentId };
