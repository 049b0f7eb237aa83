import type { ServerResponse } from 'node:http';
import type { FeedEvent, FeedMessage, QueryAsker, RecordedEvent } from '@taskmaster/contracts';
import type { EdgeLog } from '../edge-log.js';
import type { Identity } from '../identity.js';
import { Problem } from '../problem.js';
import { isConfidential, liveEventOf, serverSentEvent } from './event-view.js';
import type { FeedSource } from './feed-source.js';

/** Live connections of one process; one more is refused. */
export const STREAMS_MAX = 1_000;
/** Bytes that may wait for a slow reader; then it is disconnected and resumes where it was. */
export const STREAM_BACKLOG_BYTES_MAX = 4 * 1024 * 1024;
/** How often a comment is sent, and the log is looked at for what the feed may have lost. */
export const HEARTBEAT_MS = 10_000;
const READ_EVENTS_MAX = 200;
/** How long it takes at most until the feed is told to somebody who begins to want it. */
const FEED_STARTS_MS = 300;
/** How long a reader waits after a read of the log failed. */
const RETRY_MS = 1_000;

/** What one reader follows: a workflow's events or the whole tenant's. */
export interface Subscription {
  readonly identity: Identity;
  readonly workflowId?: string;
  readonly after: number;
}

interface Reader {
  readonly subscription: Subscription;
  readonly stream: string | undefined;
  readonly out: ServerResponse;
  /** Position of the last event that was sent or passed over. */
  cursor: number;
  /** Version of the last event sent, for a reader of one stream; undefined until the log was read once. */
  version: number | undefined;
  reading: boolean;
  again: boolean;
  closed: boolean;
}

/**
 * Fans commits out to server-sent event readers. What the feed says in order is passed on at once; whenever something may be missing
 * (at the start, after a gap, at each heartbeat) a reader is served from the log, so nothing depends on the feed.
 */
export class LiveHub {
  private readonly readers = new Set<Reader>();
  private stopListening: (() => void) | undefined;
  private readonly heartbeat: NodeJS.Timeout;
  private last = 0;

  constructor(
    private readonly feed: FeedSource,
    private readonly asker: QueryAsker,
    private readonly log: EdgeLog,
    heartbeatMs: number = HEARTBEAT_MS,
  ) {
    this.heartbeat = setInterval(() => {
      this.beat();
    }, heartbeatMs);
    this.heartbeat.unref();
  }

  get size(): number {
    return this.readers.size;
  }

  close(): void {
    clearInterval(this.heartbeat);
    for (const reader of this.readers) this.drop(reader);
  }

  /** @throws Problem `too-many-streams` */
  ensureRoom(): void {
    if (this.readers.size >= STREAMS_MAX)
      throw new Problem('too-many-streams', `At most ${String(STREAMS_MAX)} live connections are open at once.`, { retryAfterSeconds: 5 });
  }

  /** Sends everything after `after` and then what happens, until the reader goes or the workflow has ended. */
  open(subscription: Subscription, out: ServerResponse): void {
    const reader: Reader = {
      subscription,
      out,
      cursor: subscription.after,
      version: undefined,
      reading: false,
      again: false,
      closed: false,
      stream: subscription.workflowId === undefined ? undefined : `workflow-${subscription.workflowId}`,
    };
    this.readers.add(reader);
    this.listen();
    out.on('close', () => {
      this.drop(reader);
    });
    out.write('retry: 1000\n\n');
    void this.catchUp(reader);
  }

  /** The feed is told from a moment after the first reader wants it, so a second look finds what was committed until then. */
  private listen(): void {
    if (this.stopListening !== undefined) return;
    this.stopListening = this.feed.onEvents((message) => {
      this.hear(message);
    });
    setTimeout(() => {
      for (const reader of this.readers) void this.catchUp(reader);
    }, FEED_STARTS_MS).unref();
  }

  private hear(message: FeedMessage): void {
    const contiguous = message.first === this.last + 1;
    this.last = Math.max(this.last, message.last);
    for (const reader of this.readers) this.pass(reader, message, contiguous);
  }

  private pass(reader: Reader, message: FeedMessage, contiguous: boolean): void {
    if (message.last <= reader.cursor) return;
    const mine = message.events.filter(
      (event) =>
        event.tenantId === reader.subscription.identity.tenantId && (reader.stream === undefined || event.stream === reader.stream),
    );
    if (reader.stream !== undefined && mine.length === 0) return;
    if (!reader.reading && follows(reader, message, mine, contiguous)) {
      this.send(reader, mine);
      if (reader.stream === undefined) reader.cursor = message.last;
    } else void this.catchUp(reader);
  }

  /** Reads the log from the reader's cursor until its end; one read at a time per reader. */
  private async catchUp(reader: Reader): Promise<void> {
    reader.again = true;
    if (reader.reading) return;
    reader.reading = true;
    try {
      while (reader.again && !reader.closed) {
        reader.again = false;
        await this.readOnce(reader);
      }
    } catch (error) {
      this.log.warn({ err: error }, 'reading events for a live connection failed');
      setTimeout(() => void (reader.closed || this.catchUp(reader)), RETRY_MS).unref();
    } finally {
      reader.reading = false;
    }
  }

  private async readOnce(reader: Reader): Promise<void> {
    const { identity, workflowId } = reader.subscription;
    const { events, head } = await this.asker.ask('ListEvents', {
      tenantId: identity.tenantId,
      ...(workflowId === undefined ? {} : { workflowId }),
      after: reader.cursor,
      limit: READ_EVENTS_MAX,
    });
    this.send(reader, events);
    if (events.length >= READ_EVENTS_MAX) reader.again = true;
    else if (reader.stream === undefined) reader.cursor = Math.max(reader.cursor, head);
  }

  private send(reader: Reader, events: readonly (FeedEvent | RecordedEvent)[]): void {
    let text = '';
    let ended = false;
    for (const event of events) {
      if (event.position <= reader.cursor) continue;
      reader.cursor = event.position;
      if (reader.stream !== undefined) reader.version = event.version;
      if (isVisible(reader, event.stream)) text += serverSentEvent(liveEventOf(event));
      ended ||= reader.stream !== undefined && event.type === 'WorkflowEnded';
    }
    if (text !== '') reader.out.write(text);
    if (ended || reader.out.writableLength > STREAM_BACKLOG_BYTES_MAX) this.drop(reader);
  }

  private beat(): void {
    for (const reader of this.readers) {
      reader.out.write(': still here\n\n');
      void this.catchUp(reader);
    }
  }

  private drop(reader: Reader): void {
    if (reader.closed) return;
    reader.closed = true;
    this.readers.delete(reader);
    reader.out.end();
    if (this.readers.size > 0) return;
    this.stopListening?.();
    this.stopListening = undefined;
  }
}

const isVisible = (reader: Reader, stream: string): boolean => !isConfidential(stream) || reader.subscription.identity.role === 'admin';

/** Whether what a message brings comes right after what the reader has. */
function follows(reader: Reader, message: FeedMessage, mine: readonly FeedEvent[], contiguous: boolean): boolean {
  if (reader.stream === undefined) return contiguous && message.first === reader.cursor + 1;
  return reader.version !== undefined && mine[0]?.version === reader.version + 1;
}
