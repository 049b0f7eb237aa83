import type { Variable, VariableKind } from './variables.js';

export type Variables = Readonly<Record<string, Variable<unknown>>>;

/** The variables of one service; docs/configuration.md is generated from it. */
export interface ConfigDefinition<V extends Variables = Variables> {
  readonly service: string;
  readonly variables: V;
}

export type ConfigOf<D extends ConfigDefinition> = {
  readonly [K in keyof D['variables']]: D['variables'][K] extends Variable<infer T> ? T : never;
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** The environment cannot be used. Names every bad variable and why, never a value. */
export class ConfigFault extends Error {
  override readonly name = 'ConfigFault';
  readonly code = 'config-invalid';
  readonly retryable = false;

  constructor(
    readonly service: string,
    readonly faults: readonly { readonly variable: string; readonly reason: string }[],
  ) {
    const lines = faults.map(({ variable, reason }) => `  ${variable}: ${reason}`);
    super(`The configuration of ${service} is not valid:\n${lines.join('\n')}`);
  }
}

export const defineConfig = <const V extends Variables>(service: string, variables: V): ConfigDefinition<V> => ({ service, variables });

/** Reads the environment. An empty value counts as not set. @throws ConfigFault */
export function loadConfig<V extends Variables>(definition: ConfigDefinition<V>, environment: Environment): ConfigOf<ConfigDefinition<V>> {
  const values: Record<string, unknown> = {};
  const faults: { variable: string; reason: string }[] = [];
  for (const [name, variable] of Object.entries(definition.variables)) {
    const read = readVariable(name, variable, environment);
    if ('fault' in read) faults.push({ variable: read.variable ?? name, reason: read.fault });
    else values[name] = read.value;
  }
  if (faults.length > 0) throw new ConfigFault(definition.service, faults);
  return Object.freeze(values) as ConfigOf<ConfigDefinition<V>>;
}

type Read = { readonly value: unknown } | { readonly fault: string; readonly variable?: string };

function readVariable(name: string, variable: Variable<unknown>, environment: Environment): Read {
  const given = [name, ...variable.aliases].flatMap((candidate) => {
    const value = environment[candidate]?.trim();
    return value === undefined || value === '' ? [] : [{ candidate, value }];
  });
  const [first] = given;
  if (first === undefined) return readAbsent(name, variable);
  const other = given.find(({ value }) => value !== first.value);
  if (other !== undefined)
    return { variable: first.candidate, fault: `differs from ${other.candidate}, which means the same; set one of them` };
  const parsed = variable.parse(first.value);
  return 'fault' in parsed ? { variable: first.candidate, fault: parsed.fault } : parsed;
}

function readAbsent(name: string, variable: Variable<unknown>): Read {
  if (variable.default !== undefined) return { value: variable.default };
  if (variable.optional) return { value: undefined };
  return { variable: [name, ...variable.aliases].join(' or '), fault: 'is required' };
}

/** One row of docs/configuration.md. */
export interface VariableDescription {
  readonly name: string;
  readonly kind: VariableKind;
  readonly required: boolean;
  /** The default as one would write it in the environment. */
  readonly default?: string;
  readonly aliases: readonly string[];
  readonly constraint: string;
  readonly doc: string;
}

/** The definition as data, in the order it was written. */
export const describeConfig = (definition: ConfigDefinition): readonly VariableDescription[] =>
  Object.entries(definition.variables).map(([name, variable]) => ({
    name,
    kind: variable.kind,
    required: variable.default === undefined && !variable.optional,
    ...(variable.default === undefined ? {} : { default: variable.kind === 'secret' ? '(set)' : String(variable.default) }),
    aliases: variable.aliases,
    constraint: variable.constraint,
    doc: variable.doc,
  }));
