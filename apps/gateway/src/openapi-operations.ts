import { PRIORITIES, PROFILE_NAMES, REJECTION_CODES, STEP_STATUSES, WORKFLOW_PHASES, WORKFLOW_STATUSES } from '@taskmaster/contracts';
import { GATEWAY_CODES } from './problem.js';

/** What people read about a route beyond its shape. */
export interface OperationNotes {
  readonly summary: string;
  readonly description?: string;
  readonly headers?: readonly { readonly name: string; readonly description: string }[];
  /** The body may be left out. */
  readonly bodyOptional?: true;
  readonly responses: Readonly<Record<string, unknown>>;
}

const ref = (name: string): object => ({ $ref: `#/components/schemas/${name}` });
const json = (description: string, schema: object): object => ({ description, content: { 'application/json': { schema } } });
const KEY = {
  name: 'Idempotency-Key',
  description: 'The same key with the same body is the same command and gets the same answer; another body is refused with 422.',
};
const WAIT = {
  name: 'Prefer',
  description:
    '`wait=N` waits up to N seconds (60 at most) for the end and then answers 200 with the finished workflow; with `return=minimal`, with its outcome only.',
};
const LAST = { name: 'Last-Event-ID', description: 'The position after which a stream goes on; wins over `after`.' };
const accepted = json('Accepted', ref('Accepted'));

/** Every route of the document; one without a row fails the generation. */
export const OPERATIONS: Readonly<Record<string, OperationNotes>> = {
  'POST /api/workflows/execute': {
    summary: 'Run a workflow',
    description: 'Exactly one of requirement, taskId, name and plan. The profile is cicd for a requirement, else simple.',
    headers: [KEY, WAIT],
    responses: { '200': json('Finished while we waited', ref('Workflow')), '202': accepted },
  },
  'GET /api/workflows': {
    summary: 'List workflows',
    description: 'Newest first, page by page.',
    responses: {
      '200': json('A page', {
        type: 'object',
        properties: { items: { type: 'array', items: ref('WorkflowSummary') }, nextCursor: { type: 'string' } },
        required: ['items'],
      }),
    },
  },
  'GET /api/workflows/:id': {
    summary: 'Look at a workflow',
    headers: [{ name: 'If-None-Match', description: 'The ETag of what is known.' }],
    responses: { '200': json('The workflow', ref('Workflow')), '304': { description: 'Nothing new' } },
  },
  'DELETE /api/workflows/:id': { summary: 'Cancel a workflow', headers: [KEY], bodyOptional: true, responses: { '202': accepted } },
  'GET /api/workflows/:id/history': {
    summary: 'States and how long they lasted',
    responses: { '200': json('The history', { type: 'object' }) },
  },
  'GET /api/workflows/:id/events': {
    summary: 'Events of a workflow',
    description: 'A page of records, or with Accept: text/event-stream a stream that ends after the workflow did.',
    headers: [LAST],
    responses: {
      '200': {
        description: 'Events',
        content: { 'application/json': { schema: ref('EventPage') }, 'text/event-stream': { schema: { type: 'string' } } },
      },
    },
  },
  'PUT /api/workflows/:id/pause': { summary: 'Pause a workflow', headers: [KEY], bodyOptional: true, responses: { '200': accepted } },
  'PUT /api/workflows/:id/resume': { summary: 'Resume a workflow', headers: [KEY], bodyOptional: true, responses: { '200': accepted } },
  'PUT /api/workflows/:id/escalation': {
    summary: 'Answer the open escalation of a workflow: try the failed step or the fixes once more, or give up',
    headers: [KEY],
    responses: { '200': accepted },
  },
  'GET /api/events': {
    summary: 'Events of the whole tenant',
    description: 'A page of records, or with Accept: text/event-stream what happens from now on or after a position.',
    headers: [LAST],
    responses: {
      '200': {
        description: 'Events',
        content: { 'application/json': { schema: ref('EventPage') }, 'text/event-stream': { schema: { type: 'string' } } },
      },
    },
  },
  'POST /api/requirements/parse': {
    summary: 'Understand a requirement',
    description: 'Runs a workflow of one step and answers with its result.',
    headers: [KEY, WAIT],
    responses: { '200': json('Items, metadata and who understood them', { type: 'object' }) },
  },
  'GET /api/agents': { summary: 'Agents', responses: { '200': json('All agents', { type: 'object' }) } },
  'GET /api/health': {
    summary: 'Health of every part',
    responses: { '200': json('Up or degraded', ref('Health')), '503': json('Down', ref('Health')) },
  },
  'GET /api/metrics': {
    summary: 'Metrics for Prometheus',
    responses: { '200': { description: 'Text exposition format', content: { 'text/plain': { schema: { type: 'string' } } } } },
  },
  'POST /api/audit/verify': {
    summary: 'Check the invariants of the whole log',
    bodyOptional: true,
    responses: { '200': json('What was checked and found', { type: 'object' }) },
  },
  'GET /livez': { summary: 'Whether the process lives', responses: { '200': json('It does', { type: 'object' }) } },
  'GET /readyz': {
    summary: 'Whether requests can be served',
    responses: { '200': json('They can', ref('Health')), '503': json('They cannot', ref('Health')) },
  },
  'GET /startupz': { summary: 'Whether the process has started', responses: { '200': json('It has', { type: 'object' }) } },
};

const text = { type: 'string' };
const instant = { type: 'string', format: 'date-time' };
const oneOf = (values: readonly string[]): object => ({ type: 'string', enum: [...values] });
/** Where the log keeps what was accepted: the version in its stream and the position of its last event. */
const PLACE = { version: { type: 'integer' }, position: { type: 'integer' } };
const SUMMARY = {
  id: text,
  title: text,
  profile: oneOf(PROFILE_NAMES),
  state: text,
  status: oneOf(WORKFLOW_STATUSES),
  phase: oneOf(WORKFLOW_PHASES),
  priority: oneOf(PRIORITIES),
  progressPercentage: { type: 'integer', minimum: 0, maximum: 100 },
  progress: { type: 'integer', minimum: 0, maximum: 100 },
  requestedAt: instant,
  endedAt: instant,
  outcome: oneOf(['completed', 'failed', 'cancelled']),
  reason: text,
  version: { type: 'integer' },
};
const SUMMARY_REQUIRED = [
  'id',
  'title',
  'profile',
  'state',
  'status',
  'phase',
  'priority',
  'progressPercentage',
  'progress',
  'requestedAt',
  'version',
];

/** What is answered. Members may be added, so clients ignore what they do not know. */
export const SCHEMAS: Readonly<Record<string, object>> = {
  Problem: {
    type: 'object',
    additionalProperties: true,
    required: ['type', 'title', 'status', 'detail', 'code'],
    properties: {
      type: text,
      title: text,
      status: { type: 'integer' },
      detail: text,
      instance: text,
      code: oneOf([...GATEWAY_CODES, ...REJECTION_CODES]),
      errors: {
        type: 'array',
        items: { type: 'object', properties: { pointer: text, parameter: text, detail: text }, required: ['detail'] },
      },
      allowedTransitions: { type: 'array', items: text },
    },
  },
  Accepted: {
    type: 'object',
    required: ['id', 'workflowId', 'status', 'version', 'position', 'links'],
    properties: {
      id: text,
      workflowId: text,
      status: { const: 'accepted' },
      ...PLACE,
      links: ref('Links'),
    },
  },
  Links: { type: 'object', properties: { self: text, events: text, history: text, pause: text, resume: text } },
  WorkflowSummary: { type: 'object', required: SUMMARY_REQUIRED, properties: SUMMARY },
  Workflow: {
    type: 'object',
    additionalProperties: true,
    required: [...SUMMARY_REQUIRED, 'steps', 'allowedTransitions'],
    properties: {
      ...SUMMARY,
      accepted: { type: 'object', required: ['version', 'position'], properties: PLACE },
      requirement: text,
      context: { type: 'object' },
      options: { type: 'object' },
      repository: { type: 'object' },
      pullRequest: { type: 'object' },
      result: { type: 'object' },
      steps: { type: 'array', items: ref('Step') },
      waves: { type: 'array', items: { type: 'array', items: text } },
      criticalPath: { type: 'array', items: text },
      validations: { type: 'array', items: { type: 'object' } },
      allowedTransitions: { type: 'array', items: text },
      links: ref('Links'),
    },
  },
  Step: {
    type: 'object',
    additionalProperties: true,
    required: ['id', 'title', 'kind', 'status', 'attempt', 'dependsOn'],
    properties: {
      id: text,
      title: text,
      kind: text,
      status: oneOf(STEP_STATUSES),
      stage: { type: 'boolean' },
      attempt: { type: 'integer' },
      dependsOn: { type: 'array', items: text },
      output: { type: 'object' },
      error: { type: 'object' },
    },
  },
  EventPage: {
    type: 'object',
    required: ['items', 'head'],
    properties: { items: { type: 'array', items: ref('Event') }, head: { type: 'integer' }, nextAfter: { type: 'integer' } },
  },
  Event: {
    type: 'object',
    additionalProperties: true,
    required: ['position', 'stream', 'version', 'type', 'data'],
    properties: {
      position: { type: 'integer' },
      stream: text,
      version: { type: 'integer' },
      type: text,
      data: { type: 'object' },
      occurredAt: instant,
      recordedAt: instant,
      hash: text,
    },
  },
  Health: {
    type: 'object',
    required: ['status', 'components'],
    properties: {
      service: text,
      status: oneOf(['up', 'degraded', 'down']),
      draining: { type: 'boolean' },
      uptimeSeconds: { type: 'integer' },
      components: { type: 'object', additionalProperties: { type: 'object', properties: { status: oneOf(['up', 'down']), detail: text } } },
    },
  },
};
