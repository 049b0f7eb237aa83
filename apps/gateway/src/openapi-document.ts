import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { ROLE_MATRIX } from './access.js';
import { describeDtos } from './openapi-schemas.js';
import { OPERATIONS, SCHEMAS, type OperationNotes } from './openapi-operations.js';

type Operation = Record<string, unknown> & {
  responses?: Record<string, unknown>;
  parameters?: unknown[];
  requestBody?: { required?: boolean };
};

/** The API document: routes from the running code, bodies from the validation rules, roles from the matrix, words from one table. */
export function openApiDocument(app: INestApplication): OpenAPIObject {
  describeDtos();
  const config = new DocumentBuilder()
    .setTitle('TaskMaster')
    .setDescription('Turns a requirement in plain language into a merged change. Refusals are RFC 9457 problem documents.')
    .setVersion('0.1.0')
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key, tmk_…' }, 'apiKey')
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-API-Key' }, 'apiKeyHeader')
    .build();
  const document = SwaggerModule.createDocument(app, config);
  for (const [path, item] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(item as Record<string, Operation>))
      annotate(`${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`, operation);
  }
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, ...SCHEMAS },
  };
  return document;
}

function annotate(route: string, operation: Operation): void {
  const rule = ROLE_MATRIX[route];
  const notes: OperationNotes | undefined = OPERATIONS[route];
  if (notes === undefined || rule === undefined) throw new Error(`${route} has no description or no rule`);
  operation['summary'] = notes.summary;
  operation['description'] = `${notes.description ?? ''}${rule === 'open' ? ' No key is needed.' : ` Roles: ${rule.join(', ')}.`}`.trim();
  if (rule !== 'open') operation['security'] = [{ apiKey: [] }, { apiKeyHeader: [] }];
  if (notes.bodyOptional === true && operation.requestBody !== undefined) operation.requestBody.required = false;
  operation.parameters = [...(operation.parameters ?? []), ...headersOf(notes)];
  operation.responses = { ...notes.responses, ...(rule === 'open' ? {} : REFUSAL) };
}

const headersOf = ({ headers = [] }: OperationNotes): readonly object[] =>
  headers.map(({ name, description }) => ({ name, in: 'header', required: false, description, schema: { type: 'string' } }));

const REFUSAL = {
  default: {
    description: 'A refusal',
    content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
  },
};
