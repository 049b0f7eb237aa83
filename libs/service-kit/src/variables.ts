/** What every kind of variable may say. Without `default` and `optional` the variable is required. */
interface VariableOptions<T> {
  /** One sentence for docs/configuration.md. */
  readonly doc: string;
  readonly default?: T;
  readonly optional?: true;
  /** Other names for the same value; two that differ are a fault. */
  readonly aliases?: readonly string[];
}

export type VariableKind = 'text' | 'integer' | 'flag' | 'choice' | 'secret' | 'url' | 'urls' | 'list';

type Parsed<T> = { readonly value: T } | { readonly fault: string };

/** One variable of the environment: how it is read and how it is documented. */
export interface Variable<T> {
  readonly kind: VariableKind;
  readonly doc: string;
  readonly default?: T;
  readonly optional: boolean;
  readonly aliases: readonly string[];
  /** What a value must look like, in words; empty when any text will do. */
  readonly constraint: string;
  /** Reads a value. A fault says what is expected and never repeats what was given. */
  readonly parse: (text: string) => Parsed<NonNullable<T>>;
}

type ValueOf<T, O> = O extends { readonly optional: true } ? T | undefined : T;

interface Grammar<T> {
  readonly kind: VariableKind;
  readonly constraint: string;
  readonly read: (text: string) => T | undefined;
}

function variable<T, O extends VariableOptions<T>>(options: O, grammar: Grammar<T>): Variable<ValueOf<T, O>> {
  const parse = (text: string): Parsed<T> => {
    const value = grammar.read(text);
    return value === undefined ? { fault: `must be ${grammar.constraint}` } : { value };
  };
  return {
    kind: grammar.kind,
    doc: options.doc,
    ...(options.default === undefined ? {} : { default: options.default }),
    optional: options.optional === true,
    aliases: options.aliases ?? [],
    constraint: grammar.constraint,
    parse,
  } as unknown as Variable<ValueOf<T, O>>;
}

export const text = <const O extends VariableOptions<string>>(options: O): Variable<ValueOf<string, O>> =>
  variable<string, O>(options, { kind: 'text', constraint: '', read: (given) => given });

/** A text that is never shown: not in faults, not in documentation, not in logs. */
export const secret = <const O extends VariableOptions<string>>(options: O): Variable<ValueOf<string, O>> =>
  variable<string, O>(options, { kind: 'secret', constraint: '', read: (given) => given });

export function integer<const O extends VariableOptions<number> & { readonly min?: number; readonly max?: number }>(
  options: O,
): Variable<ValueOf<number, O>> {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = options;
  const bounds = [
    ...(options.min === undefined ? [] : [`at least ${String(min)}`]),
    ...(options.max === undefined ? [] : [`at most ${String(max)}`]),
  ];
  return variable<number, O>(options, {
    kind: 'integer',
    constraint: ['a whole number', ...bounds].join(', '),
    read: (given) => {
      const value = /^[+-]?\d+$/.test(given) ? Number(given) : Number.NaN;
      return Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined;
    },
  });
}

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
]);

export const flag = <const O extends VariableOptions<boolean>>(options: O): Variable<ValueOf<boolean, O>> =>
  variable<boolean, O>(options, { kind: 'flag', constraint: 'true or false', read: (given) => FLAGS.get(given.toLowerCase()) });

export const choice = <const C extends string, const O extends VariableOptions<C>>(
  choices: readonly C[],
  options: O,
): Variable<ValueOf<C, O>> =>
  variable<C, O>(options, {
    kind: 'choice',
    constraint: `one of: ${choices.join(', ')}`,
    read: (given) => choices.find((candidate) => candidate === given),
  });

/** An absolute URL; `protocols` are written without the colon. */
export function url<const O extends VariableOptions<string> & { readonly protocols?: readonly string[] }>(
  options: O,
): Variable<ValueOf<string, O>> {
  const { protocols } = options;
  const prefixes = protocols?.map((protocol) => `${protocol}://`).join(' or ');
  return variable<string, O>(options, {
    kind: 'url',
    constraint: prefixes === undefined ? 'an absolute URL' : `a URL that starts with ${prefixes}`,
    read: (given) => {
      if (!URL.canParse(given)) return undefined;
      return protocols === undefined || protocols.includes(new URL(given).protocol.slice(0, -1)) ? given : undefined;
    },
  });
}

/** One absolute URL or several of one service, separated by commas; stays one text. */
export function urls<const O extends VariableOptions<string> & { readonly protocols: readonly string[] }>(
  options: O,
): Variable<ValueOf<string, O>> {
  const { protocols } = options;
  const isGood = (text: string): boolean => URL.canParse(text) && protocols.includes(new URL(text).protocol.slice(0, -1));
  return variable<string, O>(options, {
    kind: 'urls',
    constraint: `URLs that start with ${protocols.map((protocol) => `${protocol}://`).join(' or ')}, separated by commas`,
    read: (given) => {
      const parts = given.split(',').map((part) => part.trim());
      return parts.every(isGood) ? parts.join(',') : undefined;
    },
  });
}

/** Values separated by commas; blanks around them and empty ones are dropped. */
export const list = <const O extends VariableOptions<readonly string[]>>(options: O): Variable<ValueOf<readonly string[], O>> =>
  variable<readonly string[], O>(options, {
    kind: 'list',
    constraint: 'values separated by commas',
    read: (given) =>
      given
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
  });
