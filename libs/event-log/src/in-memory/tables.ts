import type { StepId, StreamId, TenantId, Timestamp } from '@taskmaster/contracts';
import type { EpochRow } from '../epochs.js';
import type { StoredEvent } from '../readers.js';
import type { QuotaCount, StepRecord, WorkflowRecord } from '../rows.js';
import type { Snapshot } from '../snapshots.js';

export interface StreamRow {
  readonly tenantId: TenantId;
  readonly version: number;
  readonly hash: string;
}

export interface ClientCommandRow {
  readonly tenantId: TenantId;
  readonly stream: StreamId;
  readonly answer: object;
}

export type WorkflowRow = WorkflowRecord & { readonly stream: StreamId; readonly tenantId: TenantId };
export type StepRow = StepRecord & { readonly stream: StreamId; readonly tenantId: TenantId; readonly stepId: StepId };

/** What the tables of the migrations hold, as far as commands, relay, sweeps and judges look at it. */
export interface Tables {
  readonly events: StoredEvent[];
  readonly streams: Map<StreamId, StreamRow>;
  /** The events of a stream, by version. */
  readonly eventsOf: Map<StreamId, StoredEvent[]>;
  readonly clientCommands: Map<string, ClientCommandRow>;
  readonly quotas: Map<string, QuotaCount>;
  readonly workflows: Map<StreamId, WorkflowRow>;
  readonly steps: Map<string, StepRow>;
  readonly snapshots: Map<StreamId, Snapshot & { readonly reducer: number }>;
  /** When the last event was recorded. */
  recordedAt: Timestamp;
  epoch: EpochRow;
}

export const emptyTables = (): Tables => ({
  events: [],
  streams: new Map(),
  eventsOf: new Map(),
  clientCommands: new Map(),
  quotas: new Map(),
  workflows: new Map(),
  steps: new Map(),
  snapshots: new Map(),
  recordedAt: '1970-01-01T00:00:00.000Z' as Timestamp,
  epoch: { epoch: 0, acknowledgedUpto: 0 },
});

export const stepKey = (stream: string, stepId: string): string => `${stream} ${stepId}`;
