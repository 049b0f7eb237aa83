import {
  CHAIN_START,
  deriveUuid,
  eventIdOf,
  streamOf,
  timestampOf,
  type CommandId,
  type NewEvent,
  type StreamId,
  type TenantId,
} from '@taskmaster/contracts';
import type { AppendGroup } from './rows.js';

export const TENANT = 'default' as TenantId;

const eventAt = (stream: StreamId, version: number): NewEvent => ({
  id: eventIdOf(stream, version),
  type: 'AgentBecameAvailable',
  schemaVersion: 1,
  dataText: '{"detail":"spec"}',
  occurredAt: timestampOf(1_700_000_000_000 + version),
  commandId: deriveUuid('command', stream, String(version)) as CommandId,
  actor: { kind: 'system', id: 'spec' },
  correlationId: 'c',
});

/** `count` events of an agent's stream, claimed by one client command, taking one place of a quota. */
export function claimedGroup(name: string, count: number): AppendGroup {
  const stream = streamOf('agent', name);
  return {
    stream,
    category: 'agent',
    tenantId: TENANT,
    expectedVersion: 0,
    previousHash: CHAIN_START,
    events: Array.from({ length: count }, (_, i) => eventAt(stream, i + 1)),
    answers: [{ commandId: deriveUuid('client', name), answer: { outcome: 'accepted', stream, version: count } }],
    quotas: [{ key: 'tenant:default', kind: 'claim', limit: 1_000_000 }],
  };
}
