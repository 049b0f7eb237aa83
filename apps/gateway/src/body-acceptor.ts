import { Ajv, type SchemaObject } from 'ajv';
import { propertiesOf, type Dto, type DtoProperty } from './dto-rules.js';

/** Whether a body is beyond doubt what its rules ask for. */
export type BodyAcceptor = (body: unknown) => boolean;

/**
 * A DTO's rules, compiled: class-validator walks its metadata for every value, and allocates more for that than everything else that a
 * gateway does for a request. The compiled form is a little stricter (it takes no null for a member that may be absent) and explains nothing: what it does
 * not accept is for class-validator to judge.
 */
export function acceptorOf(dto: Dto): BodyAcceptor {
  // The first request waits for this. The schema is ours, so it is not held against the schema of schemas, which would be compiled first.
  const schemaIsOurs = { meta: false, validateSchema: false, addUsedSchema: false } as const;
  const ajv = new Ajv({ strict: true, strictRequired: false, unicodeRegExp: false, code: { optimize: false }, ...schemaIsOurs });
  return ajv.compile(schemaOf(dto));
}

function schemaOf(dto: Dto): SchemaObject {
  const properties = propertiesOf(dto);
  return {
    type: 'object',
    additionalProperties: false,
    required: properties.filter(({ required }) => required).map(({ name }) => name),
    properties: Object.fromEntries(properties.map(({ name, shape }) => [name, schemaOfShape(shape)])),
  };
}

function schemaOfShape(shape: DtoProperty['shape']): SchemaObject {
  switch (shape.kind) {
    case 'value':
      return { ...shape.keywords };
    case 'object':
      return schemaOf(shape.dto);
    case 'list':
      return { type: 'array', ...shape.keywords, items: typeof shape.items === 'function' ? schemaOf(shape.items) : { ...shape.items } };
  }
}
