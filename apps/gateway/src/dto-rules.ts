import 'reflect-metadata';
import { getMetadataStorage } from 'class-validator';
import { WorkflowOptionsDto, ValidationCommandDto } from './dto/execute-workflow.dto.js';
import { PlanDto, StepDto } from './dto/plan.dto.js';

export type Dto = new () => object;
type Rule = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];
type Keywords = Readonly<Record<string, unknown>>;

/** What a list holds is not in the metadata of the language. */
const ITEMS: readonly { readonly of: Dto; readonly property: string; readonly items: Dto }[] = [
  { of: PlanDto, property: 'steps', items: StepDto },
  { of: WorkflowOptionsDto, property: 'validation', items: ValidationCommandDto },
];

/** What each validation rule means in a JSON schema; `each` rules describe the items. */
const KEYWORDS: Readonly<Record<string, (limit: unknown) => Keywords>> = {
  isString: () => ({ type: 'string' }),
  isBoolean: () => ({ type: 'boolean' }),
  isInt: () => ({ type: 'integer' }),
  isNumber: () => ({ type: 'number' }),
  isObject: () => ({ type: 'object', additionalProperties: true }),
  isNotEmpty: () => ({ minLength: 1 }),
  maxLength: (limit) => ({ maxLength: limit }),
  min: (limit) => ({ minimum: limit }),
  max: (limit) => ({ maximum: limit }),
  arrayMaxSize: (limit) => ({ maxItems: limit }),
  arrayMinSize: (limit) => ({ minItems: limit }),
  isIn: (limit) => ({ type: 'string', enum: limit }),
  matches: (limit) => ({ pattern: limit instanceof RegExp ? limit.source : String(limit) }),
};
/** Rules that say what a property is made of rather than what it may be. */
const STRUCTURE: ReadonlySet<string> = new Set([
  'isOptional',
  'conditionalValidation',
  'isArray',
  'nestedValidation',
  'whitelistValidation',
]);

const kindOf = (rule: Rule): string => rule.name ?? rule.type;

/** One property of a body or of parameters, as its validation rules have it. */
export interface DtoProperty {
  readonly name: string;
  readonly required: boolean;
  readonly shape:
    | { readonly kind: 'value'; readonly keywords: Keywords }
    | { readonly kind: 'object'; readonly dto: Dto }
    | { readonly kind: 'list'; readonly items: Dto | Keywords; readonly keywords: Keywords };
}

/** The properties of a DTO by the very rules that validate it. @throws Error for a rule that no JSON schema was given for */
export function propertiesOf(dto: Dto): readonly DtoProperty[] {
  const rules = getMetadataStorage().getTargetValidationMetadatas(dto, '', false, false);
  return [...new Set(rules.map((rule) => rule.propertyName))].map((name) => propertyOf(dto, name, rules));
}

function propertyOf(dto: Dto, name: string, all: readonly Rule[]): DtoProperty {
  const rules = all.filter((rule) => rule.propertyName === name);
  const required = !rules.some((rule) => rule.type === 'conditionalValidation');
  const items = ITEMS.find(({ of, property }) => of === dto && property === name)?.items;
  const ofAll = rules.filter((rule) => !rule.each);
  if (items !== undefined) return { name, required, shape: { kind: 'list', items, keywords: keywordsOf(ofAll) } };
  if (rules.some((rule) => rule.type === 'nestedValidation')) {
    return { name, required, shape: { kind: 'object', dto: Reflect.getMetadata('design:type', dto.prototype as object, name) as Dto } };
  }
  if (!rules.some((rule) => kindOf(rule) === 'isArray')) return { name, required, shape: { kind: 'value', keywords: keywordsOf(rules) } };
  return { name, required, shape: { kind: 'list', items: keywordsOf(rules.filter((rule) => rule.each)), keywords: keywordsOf(ofAll) } };
}

const keywordsOf = (rules: readonly Rule[]): Keywords => Object.assign({}, ...[...rules].reverse().map(meaningOf)) as Keywords;

function meaningOf(rule: Rule): Keywords {
  const kind = kindOf(rule);
  if (STRUCTURE.has(kind)) return {};
  const keyword = KEYWORDS[kind];
  if (keyword === undefined) throw new Error(`no JSON schema is known for the rule ${kind} of ${rule.propertyName}`);
  return keyword(rule.constraints?.[0] as unknown);
}
