import type { Actor } from './commands.js';
import type { DomainEvent, EventType } from './events.js';
import type { CommandId, EventId, StreamId, TenantId, Timestamp } from './ids.js';

/** An event as it will be appended: decided, not yet placed in the log. */
export interface NewEvent {
  readonly id: EventId;
  readonly type: EventType;
  readonly schemaVersion: number;
  /** The exact JSON text that is stored and hashed. */
  readonly dataText: string;
  readonly occurredAt: Timestamp;
  readonly commandId: CommandId;
  readonly actor: Actor;
  readonly correlationId: string;
  readonly causationId?: string;
  readonly traceparent?: string;
}

/** An event in the log. */
export interface RecordedEvent<E extends DomainEvent = DomainEvent> {
  readonly id: EventId;
  /** Place in the whole log; dense from 1. */
  readonly position: number;
  readonly stream: StreamId;
  /** Place in the stream; dense from 1. */
  readonly version: number;
  readonly tenantId: TenantId;
  readonly type: E['type'];
  readonly schemaVersion: number;
  readonly data: E['data'];
  /** When the rules decided it; part of the chain. */
  readonly occurredAt: Timestamp;
  /** When it was placed; monotone over positions. */
  readonly recordedAt: Timestamp;
  readonly commandId: CommandId;
  readonly actor: Actor;
  readonly correlationId: string;
  readonly causationId?: string;
  readonly traceparent?: string;
  /** Hex SHA-256; chains over the stream (see `chainText`). */
  readonly hash: string;
}

/** The hash before the first event of a stream. */
export const CHAIN_START = '0'.repeat(64);

/** Where an event stands in its stream. */
export interface ChainPlace {
  readonly stream: StreamId;
  readonly version: number;
  readonly tenantId: TenantId;
}

/**
 * The text whose SHA-256 is an event's hash: everything `decide` fixed, so not position and recordedAt.
 * `previous` is the hash of the event before it in the stream, `CHAIN_START` for the first.
 */
export function chainText(previous: string, at: ChainPlace, event: Omit<NewEvent, 'id' | 'traceparent'>): string {
  return [
    previous,
    at.stream,
    String(at.version),
    at.tenantId,
    event.type,
    String(event.schemaVersion),
    event.occurredAt,
    event.commandId,
    event.actor.kind,
    event.actor.id,
    event.correlationId,
    event.causationId ?? '',
    event.dataText,
  ].join('\n');
}
