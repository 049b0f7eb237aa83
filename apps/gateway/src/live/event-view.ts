import { idOf, type FeedEvent, type RecordedEvent, type StreamId } from '@taskmaster/contracts';

/** An event as clients see it live; a page of events carries the whole record. */
export interface LiveEvent {
  readonly position: number;
  readonly stream: string;
  readonly version: number;
  readonly type: string;
  readonly at: string;
  /** Set for events of workflows. */
  readonly workflowId?: string;
  readonly data: unknown;
}

/** Events about keys and roles are for administrators. */
export const isConfidential = (stream: string): boolean => stream.startsWith('access-');

export function liveEventOf(event: FeedEvent | RecordedEvent): LiveEvent {
  const stream: string = event.stream;
  return {
    position: event.position,
    stream,
    version: event.version,
    type: event.type,
    at: event.occurredAt,
    ...(stream.startsWith('workflow-') ? { workflowId: idOf(stream as StreamId) } : {}),
    data: event.data,
  };
}

/** One server-sent event; JSON never holds a line break. */
export const serverSentEvent = (event: LiveEvent): string =>
  `id: ${String(event.position)}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
