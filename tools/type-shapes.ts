import ts from 'typescript';

const DEPTH_MAX = 6;

/** Values that make an example read like a real one, by the name of the field. */
const TELLING: Readonly<Record<string, unknown>> = {
  stepId: 'login-form',
  attempt: 1,
  agentId: 'simulated-1',
  agentName: 'Simulated agent 1',
  agentType: 'custom',
  commit: '4f1c9d2e8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d',
  head: '4f1c9d2e8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d',
  base: '0a1b2c3d4e5f60718293a4b5c6d7e8f901234567',
  branch: 'main',
  target: 'main',
  source: 'tm/wf_5d3f1c/integration',
  url: 'file:///srv/repositories/shop.git',
  title: 'Create the login form',
  number: 1,
  reason: 'stage-done',
  from: 'pending',
  to: 'nlp_parsing',
  name: 'npm test',
  message: 'connection refused',
  holder: 'agent-coordinator-1',
  by: 'agent-coordinator-1',
  leaseMs: 15_000,
  durationMs: 1_250,
  hash: 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9',
  keyId: 'key_first',
  proficiency: 1,
};

const isOptional = (symbol: ts.Symbol): boolean => (symbol.flags & ts.SymbolFlags.Optional) !== 0;
const isBrand = (type: ts.Type): boolean =>
  type.isIntersection() && type.types.some((part) => (part.flags & (ts.TypeFlags.String | ts.TypeFlags.Number)) !== 0);

const FORMAT =
  ts.TypeFormatFlags.NoTruncation |
  ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope |
  ts.TypeFormatFlags.WriteArrayAsGenericType |
  ts.TypeFormatFlags.InTypeAlias;

/** The shape of an event's data as TypeScript; named parts of it keep their names one level down. */
export function shapeOf(type: ts.Type, checker: ts.TypeChecker): string {
  const fields = checker.getPropertiesOfType(type);
  if (fields.length === 0) return '{}';
  const lines = fields.map((field) => {
    const fieldType = checker.getTypeOfSymbol(field);
    const shown = isOptional(field) ? checker.getNonNullableType(fieldType) : fieldType;
    const text = checker.typeToString(
      shown,
      undefined,
      FORMAT & ~ts.TypeFormatFlags.WriteArrayAsGenericType & ~ts.TypeFormatFlags.InTypeAlias,
    );
    return `  ${field.name}${isOptional(field) ? '?' : ''}: ${text.replaceAll('readonly ', '')};`;
  });
  return ['{', ...lines, '}'].join('\n');
}

const INSTANT = '2026-01-05T09:30:00.000Z';

/** A value of text, a number or a flag by the name of its field; undefined for anything else. */
function ofPrimitive(type: ts.Type, name: string): unknown {
  const flags = isBrand(type) ? ts.TypeFlags.String : type.flags;
  if ((flags & ts.TypeFlags.BooleanLike) !== 0) return true;
  if ((flags & (ts.TypeFlags.StringLike | ts.TypeFlags.NumberLike)) === 0) return undefined;
  if (name in TELLING) return TELLING[name];
  if ((flags & ts.TypeFlags.NumberLike) !== 0) return 1;
  return name.endsWith('At') ? INSTANT : name;
}

function exampleOfObject(type: ts.Type, checker: ts.TypeChecker, depth: number): Record<string, unknown> {
  const example: Record<string, unknown> = {};
  for (const field of checker.getPropertiesOfType(type)) {
    if (isOptional(field)) continue;
    example[field.name] = exampleOf(checker.getTypeOfSymbol(field), checker, field.name, depth + 1);
  }
  return example;
}

function exampleOfList(type: ts.Type, checker: ts.TypeChecker, name: string, depth: number): readonly unknown[] {
  const element = checker.getTypeArguments(type as ts.TypeReference)[0];
  return element === undefined || depth >= DEPTH_MAX ? [] : [exampleOf(element, checker, name.replace(/s$/, ''), depth + 1)];
}

/** A value of a type: literals as they are, telling values by name, required fields only. */
export function exampleOf(type: ts.Type, checker: ts.TypeChecker, name: string, depth = 0): unknown {
  if (type.isStringLiteral() || type.isNumberLiteral()) return type.value;
  const primitive = ofPrimitive(type, name);
  if (primitive !== undefined) return primitive;
  if (type.isUnion()) return exampleOf(type.types[0] ?? type, checker, name, depth);
  if (checker.isArrayType(type) || checker.isTupleType(type)) return exampleOfList(type, checker, name, depth);
  return depth >= DEPTH_MAX ? {} : exampleOfObject(type, checker, depth);
}
