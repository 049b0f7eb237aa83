const text = { type: 'string' } as const;
const strict = (properties: object): object => ({
  type: 'object',
  additionalProperties: false,
  required: Object.keys(properties),
  properties,
});
const json = (schema: object): object => ({ content: { 'application/json': { schema } } });
const problem = { description: 'Error', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/ErrorModel' } } } };
const reply = (schema: object): object => ({ '200': { description: 'OK', ...json(schema) }, default: problem });

/** The surface the twin answers, in the shape of upstream's document. */
export const OPENAPI = {
  openapi: '3.1.0',
  info: { title: 'AgentAPI (SIMULATED)', version: '0.12.2-simulated', description: 'A simulated agent behind the protocol of agentapi.' },
  components: {
    schemas: {
      ErrorModel: {
        type: 'object',
        properties: {
          title: text,
          status: { type: 'integer' },
          detail: text,
          errors: { type: 'array', items: { type: 'object', properties: { message: text, location: text } } },
        },
      },
    },
  },
  paths: {
    '/status': {
      get: {
        responses: reply(
          strict({ status: { ...text, enum: ['running', 'stable'] }, agent_type: text, transport: { ...text, enum: ['pty', 'acp'] } }),
        ),
      },
    },
    '/messages': {
      get: {
        responses: reply(
          strict({
            messages: {
              type: 'array',
              items: strict({
                id: { type: 'integer' },
                role: { ...text, enum: ['user', 'agent'] },
                content: text,
                time: { ...text, format: 'date-time' },
              }),
            },
          }),
        ),
      },
    },
    '/message': {
      post: {
        requestBody: { required: true, ...json(strict({ content: text, type: { ...text, enum: ['user', 'raw'] } })) },
        responses: reply(strict({ ok: { type: 'boolean' } })),
      },
    },
    '/upload': {
      post: {
        requestBody: { required: true, content: { 'multipart/form-data': { schema: strict({ file: { ...text, format: 'binary' } }) } } },
        responses: reply(strict({ ok: { type: 'boolean' }, filePath: text })),
      },
    },
    '/events': { get: { responses: { '200': { description: 'OK', content: { 'text/event-stream': { schema: { type: 'array' } } } } } } },
  },
} as const;
