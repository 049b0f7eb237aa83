import type { AgentProfile, NewEvent, StreamCategory, StreamId, TenantId, Timestamp } from '@taskmaster/contracts';

/** A workflow's read model row as the append function stores it. */
export interface WorkflowRecord {
  readonly version: number;
  readonly title: string;
  readonly profile: string;
  readonly state: string;
  readonly status: string;
  readonly phase: string;
  readonly priority: string;
  readonly progress: number;
  readonly progressPercentage: number;
  readonly requestedAt: Timestamp;
  readonly queuedAt: Timestamp | null;
  readonly endedAt: Timestamp | null;
  readonly outcome: string | null;
  readonly reason: string;
  readonly dueAt: Timestamp | null;
}

export interface StepRecord {
  readonly stepId: string;
  readonly kind: string;
  readonly status: string;
  readonly attempt: number;
  readonly readyVersion: number;
  readonly holder: string | null;
  readonly agentId: string | null;
  readonly leaseMs: number | null;
  readonly deadlineAt: Timestamp | null;
  readonly dueAt: Timestamp | null;
}

export interface AgentRecord {
  readonly version: number;
  readonly profile: AgentProfile;
  readonly available: boolean;
  readonly detail: string;
}

export interface ApiKeyRecord {
  readonly keyId: string;
  readonly name: string;
  readonly role: string;
  readonly hash: string;
  readonly revoked: boolean;
}

/** A conditional change of a quota row. `limit` counts for the two claims only. */
export interface QuotaRequest {
  readonly key: string;
  readonly kind: 'claim' | 'claim-queued' | 'queue' | 'unqueue' | 'release';
  readonly limit: number;
}

/** The answer to store under a client command's id. */
export interface StoredAnswer {
  readonly commandId: string;
  readonly answer: object;
}

/** An event as the append takes it; its id follows from stream and version. */
export type UnplacedEvent = Omit<NewEvent, 'id'>;

/** What is to be appended to one stream: all of it or nothing. Without events it only proves that the expected version is current. */
export interface AppendGroup {
  readonly stream: StreamId;
  readonly category: StreamCategory;
  readonly tenantId: TenantId;
  readonly expectedVersion: number;
  /** Hash of the event at the expected version. */
  readonly previousHash: string;
  readonly events: readonly UnplacedEvent[];
  readonly answers: readonly StoredAnswer[];
  readonly workflow?: WorkflowRecord;
  readonly steps?: readonly StepRecord[];
  readonly agent?: AgentRecord;
  readonly apiKeys?: readonly ApiKeyRecord[];
  readonly quotas: readonly QuotaRequest[];
}

/** A client command that was answered before. */
export interface EarlierAnswer {
  readonly commandId: string;
  readonly tenantId: string;
  readonly stream: string;
  readonly answer: object;
  /** Position of the version that the answer names, when it names one. */
  readonly position: number | null;
}

export type GroupOutcome =
  | { readonly kind: 'appended'; readonly firstPosition: number; readonly recordedAt: Timestamp; readonly hash: string }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'duplicate'; readonly earlier: readonly EarlierAnswer[] }
  /** A claim did not fit; `key` says which. */
  | { readonly kind: 'full'; readonly key: string }
  | { readonly kind: 'tenant-mismatch' }
  /** The group alone made the statement fail. */
  | { readonly kind: 'failed'; readonly error: Error };

export interface QuotaCount {
  readonly key: string;
  readonly used: number;
  readonly waiting: number;
}

export interface AppendOutcome {
  readonly groups: readonly GroupOutcome[];
  /** Every quota row that the batch touched, as it left it. */
  readonly quotas: readonly QuotaCount[];
}

export const tenantQuotaKey = (tenantId: string): string => `tenant:${tenantId}`;
export const agentQuotaKey = (tenantId: string, agentId: string): string => `agent:${tenantId}:${agentId}`;
