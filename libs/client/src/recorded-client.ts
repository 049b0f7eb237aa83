import { REJECTION_CODES } from '@taskmaster/contracts';
import type { ClientRecord } from '@taskmaster/proof';
import type { Client } from './client.js';
import { ProblemError } from './problem-error.js';
import type { AcceptedPlace, CommandOptions, EventsRequest, LiveEvent } from './shapes.js';

/** Told of each thing that the client was told. */
export type Recorder = (record: ClientRecord) => void;

/** A client that keeps a record of every answer to a command and of every event it sees, for `checkRecords`. */
export function recordedClient(client: Client, record: Recorder): Client {
  const steer =
    <O extends CommandOptions>(send: (id: string, options: O) => Promise<AcceptedPlace>) =>
    (id: string, options: O): Promise<AcceptedPlace> => {
      const key = keyOf(options);
      return recorded(record, { key, stream: streamOf(id) }, () => send(id, { ...options, idempotencyKey: key }));
    };
  return {
    ...client,
    execute: async (request, options = {}) => {
      const key = keyOf(options);
      // A workflow that was refused has no id.
      const answer = await client.execute(request, { ...options, idempotencyKey: key }).catch((error: unknown) => {
        noteRefusal(record, { key, stream: '' }, error);
        throw error;
      });
      record({ kind: 'accepted', key, stream: streamOf(answer.workflowId), ...answer.accepted });
      return answer;
    },
    events: (request = {}) => recordedEvents(client, request, record),
    cancel: (id, options = {}) => steer((of, given: typeof options) => client.cancel(of, given))(id, options),
    pause: (id, options = {}) => steer((of, given: typeof options) => client.pause(of, given))(id, options),
    resume: (id, options = {}) => steer((of, given: typeof options) => client.resume(of, given))(id, options),
    resolve: (id, decision, options = {}) => steer((of, given: typeof options) => client.resolve(of, decision, given))(id, options),
  };
}

const keyOf = (options: CommandOptions): string => options.idempotencyKey ?? globalThis.crypto.randomUUID();
const streamOf = (workflowId: string): string => `workflow-${workflowId}`;

interface Sent {
  readonly key: string;
  readonly stream: string;
}

async function recorded(record: Recorder, sent: Sent, send: () => Promise<AcceptedPlace>): Promise<AcceptedPlace> {
  try {
    const { version, position } = await send();
    record({ kind: 'accepted', ...sent, version, position });
    return { version, position };
  } catch (error) {
    noteRefusal(record, sent, error);
    throw error;
  }
}

/** Refusals that concern the request and not the command with that key, which may have been accepted before. */
const OF_THE_REQUEST: ReadonlySet<string> = new Set(['command-reused', 'malformed-command', 'tenant-mismatch', 'workflow-not-found']);

/** Whether the rules said no, once and for all; a refusal that passes, or one of the gateway itself, says nothing about the command. */
export const isDecided = (code: string): boolean => REJECTION_CODES.some((known) => known === code) && !OF_THE_REQUEST.has(code);

function noteRefusal(record: Recorder, sent: Sent, error: unknown): void {
  if (error instanceof ProblemError && isDecided(error.code)) record({ kind: 'refused', ...sent, code: error.code });
}

async function* recordedEvents(client: Client, request: EventsRequest, record: Recorder): AsyncGenerator<LiveEvent, void, undefined> {
  const feed = globalThis.crypto.randomUUID();
  let isOpen = false;
  const open = (after: number): void => {
    isOpen = true;
    record({ kind: 'followed', feed, after, ...(request.workflowId === undefined ? {} : { stream: streamOf(request.workflowId) }) });
  };
  if (request.after !== undefined) open(request.after);
  for await (const event of client.events(request)) {
    const { position, stream, version, type } = event;
    // Without a starting point the feed begins with what happens next: with the first event that came.
    if (!isOpen) open(request.workflowId === undefined ? position - 1 : 0);
    record({ kind: 'seen', feed, position, stream, version, type });
    yield event;
  }
}
