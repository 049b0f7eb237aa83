import type { LogReport, WorkflowView } from '@taskmaster/contracts';
import { readEventStream } from './event-stream.js';
import { problemErrorOf, ProblemError } from './problem-error.js';
import type {
  AcceptedPlace,
  AgentPage,
  CommandOptions,
  EventPage,
  EventPageRequest,
  EventsRequest,
  ExecuteAnswer,
  ExecuteOptions,
  ExecuteRequest,
  ListRequest,
  LiveEvent,
  ParsedRequirement,
  PlatformHealth,
  RequestOptions,
  WorkflowHistory,
  WorkflowLinks,
  WorkflowPage,
} from './shapes.js';
import { pause, Transport, type ClientOptions } from './transport.js';

/** The platform over HTTP. Every method throws ProblemError for a refusal and ConnectionError when nobody answers. */
export interface Client {
  execute(request: ExecuteRequest, options?: ExecuteOptions): Promise<ExecuteAnswer>;
  getWorkflow(workflowId: string, options?: RequestOptions): Promise<WorkflowView>;
  listWorkflows(request?: ListRequest): Promise<WorkflowPage>;
  history(workflowId: string, options?: RequestOptions): Promise<WorkflowHistory>;
  /** One page of recorded events. */
  listEvents(request?: EventPageRequest): Promise<EventPage>;
  /** Events as they happen, each once and in order, over as many connections as it takes. */
  events(request?: EventsRequest): AsyncGenerator<LiveEvent, void, undefined>;
  cancel(workflowId: string, options?: CommandOptions & { readonly reason?: string }): Promise<AcceptedPlace>;
  pause(workflowId: string, options?: CommandOptions & { readonly reason?: string }): Promise<AcceptedPlace>;
  resume(workflowId: string, options?: CommandOptions & { readonly reason?: string }): Promise<AcceptedPlace>;
  /** Answers the open escalation: the failed step or the fixes once more, or give up. */
  resolve(workflowId: string, decision: 'retry' | 'fail', options?: CommandOptions & { readonly note?: string }): Promise<AcceptedPlace>;
  agents(options?: RequestOptions): Promise<AgentPage>;
  /** Answers also when the platform behind the gateway is down. */
  health(options?: RequestOptions): Promise<PlatformHealth>;
  /** Checks the invariants of the whole log. */
  verify(options?: RequestOptions): Promise<LogReport>;
  parse(text: string, options?: CommandOptions & { readonly context?: Readonly<Record<string, string>> }): Promise<ParsedRequirement>;
}

export function createClient(options: ClientOptions): Client {
  const transport = new Transport(options);
  const send = async (method: 'PUT' | 'DELETE', path: string, given: CommandOptions, body: object): Promise<AcceptedPlace> => {
    const { version, position } = await transport.json<AcceptedPlace>({ method, path, body, headers: keyed(given), signal: given.signal });
    return { version, position };
  };
  const steer = (method: 'PUT' | 'DELETE', path: string, given: CommandOptions & { readonly reason?: string }): Promise<AcceptedPlace> =>
    send(method, path, given, given.reason === undefined ? {} : { reason: given.reason });
  return {
    execute: (request, given = {}) => execute(transport, request, given),
    getWorkflow: (id, given = {}) => transport.json({ method: 'GET', path: pathOf(id), signal: given.signal }),
    listWorkflows: ({ signal, ...query } = {}) => transport.json({ method: 'GET', path: '/api/workflows', query: { ...query }, signal }),
    history: (id, given = {}) => transport.json({ method: 'GET', path: `${pathOf(id)}/history`, signal: given.signal }),
    listEvents: ({ workflowId, signal, ...query } = {}) =>
      transport.json({ method: 'GET', path: eventsPath(workflowId), query: { ...query }, signal }),
    events: (request = {}) => followEvents(transport, request),
    cancel: (id, given = {}) => steer('DELETE', pathOf(id), given),
    pause: (id, given = {}) => steer('PUT', `${pathOf(id)}/pause`, given),
    resume: (id, given = {}) => steer('PUT', `${pathOf(id)}/resume`, given),
    resolve: (id, decision, { note, ...given } = {}) =>
      send('PUT', `${pathOf(id)}/escalation`, given, { decision, ...(note === undefined ? {} : { note }) }),
    agents: (given = {}) => transport.json({ method: 'GET', path: '/api/agents', signal: given.signal }),
    health: (given = {}) => health(transport, given),
    verify: (given = {}) => transport.json({ method: 'POST', path: '/api/audit/verify', body: {}, signal: given.signal }),
    parse: (text, { context, ...given } = {}) =>
      transport.json({
        method: 'POST',
        path: '/api/requirements/parse',
        body: { text, ...(context === undefined ? {} : { context }) },
        headers: keyed(given),
        signal: given.signal,
      }),
  };
}

const pathOf = (id: string): string => `/api/workflows/${encodeURIComponent(id)}`;
const eventsPath = (id: string | undefined): string => (id === undefined ? '/api/events' : `${pathOf(id)}/events`);
const keyed = (options: CommandOptions): Record<string, string> => ({
  'idempotency-key': options.idempotencyKey ?? globalThis.crypto.randomUUID(),
});

async function execute(transport: Transport, request: ExecuteRequest, options: ExecuteOptions): Promise<ExecuteAnswer> {
  const prefer = options.waitSeconds === undefined ? {} : { prefer: `wait=${String(options.waitSeconds)}` };
  const response = await transport.call({
    method: 'POST',
    path: '/api/workflows/execute',
    body: request,
    headers: { ...keyed(options), ...prefer },
    signal: options.signal,
  });
  const body = (await response.json()) as AcceptedPlace & {
    readonly workflowId: string;
    readonly links: WorkflowLinks;
    readonly accepted?: AcceptedPlace;
  };
  // A finished workflow has a version of its own.
  const { version, position } = body.accepted ?? body;
  return {
    workflowId: body.workflowId,
    accepted: { version, position },
    links: body.links,
    finished: response.status === 200 ? (body as unknown as WorkflowView) : null,
  };
}

/** A platform that is down answers 503 with the same report, which is an answer here and not a refusal. */
async function health(transport: Transport, { signal }: RequestOptions): Promise<PlatformHealth> {
  const response = await transport.fetch({ method: 'GET', path: '/api/health', signal });
  const report = (await response
    .clone()
    .json()
    .catch(() => null)) as PlatformHealth | null;
  if (report !== null && typeof report.components === 'object') return report;
  throw await problemErrorOf(response);
}

const RECONNECT_FIRST_MS = 200;
const RECONNECT_MAX_MS = 5_000;

/** Goes on over as many connections as it takes; each event comes once because every connection starts after the last one seen. */
async function* followEvents(transport: Transport, request: EventsRequest): AsyncGenerator<LiveEvent, void, undefined> {
  const { workflowId, signal, onReconnect } = request;
  const stopped = (): boolean => signal?.aborted === true;
  let after = request.after;
  let failures = 0;
  while (!stopped()) {
    try {
      for await (const event of oneConnection(transport, request, after)) {
        failures = 0;
        after = event.position;
        yield event;
        if (workflowId !== undefined && event.type === 'WorkflowEnded') return;
      }
    } catch (error) {
      if (stopped()) return;
      if (isFinal(error)) throw error;
      onReconnect?.(error);
    }
    failures += 1;
    await pause(Math.min(RECONNECT_MAX_MS, RECONNECT_FIRST_MS * 2 ** Math.min(failures, 6)), signal);
  }
}

async function* oneConnection(
  transport: Transport,
  { workflowId, signal }: EventsRequest,
  after: number | undefined,
): AsyncGenerator<LiveEvent> {
  const headers = { accept: 'text/event-stream', ...(after === undefined ? {} : { 'last-event-id': String(after) }) };
  const response = await transport.once({ method: 'GET', path: eventsPath(workflowId), headers, signal });
  let last = after ?? 0;
  for await (const { data } of readEventStream(response.body ?? new ReadableStream())) {
    const event = JSON.parse(data) as LiveEvent;
    if (event.position <= last) continue;
    last = event.position;
    yield event;
  }
}

/** A refusal that another try would only hear again. */
const isFinal = (error: unknown): boolean => error instanceof ProblemError && error.status < 500 && error.status !== 429;
