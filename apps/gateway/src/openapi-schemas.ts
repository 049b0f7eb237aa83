import 'reflect-metadata';
import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { getMetadataStorage } from 'class-validator';
import { ExecuteWorkflowDto, RepositoryDto, ValidationCommandDto, WorkflowOptionsDto } from './dto/execute-workflow.dto.js';
import { AgentNeedsDto, PlanDto, RetryPolicyDto, StepDto } from './dto/plan.dto.js';
import { ListEventsDto, ListWorkflowsDto, ParseRequirementDto, ReasonDto, WorkflowIdDto } from './dto/requests.dto.js';

type Dto = new () => object;
type Rule = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];

const DTOS: readonly Dto[] = [
  AgentNeedsDto,
  RetryPolicyDto,
  StepDto,
  PlanDto,
  RepositoryDto,
  ValidationCommandDto,
  WorkflowOptionsDto,
  ExecuteWorkflowDto,
  ReasonDto,
  ParseRequirementDto,
  ListWorkflowsDto,
  ListEventsDto,
  WorkflowIdDto,
];
/** What a list holds is not in the metadata of the language. */
const ITEMS: Readonly<Record<string, Dto>> = { 'PlanDto.steps': StepDto, 'WorkflowOptionsDto.validation': ValidationCommandDto };

/** What each validation rule means in a JSON schema; `each` rules describe the items. */
const KEYWORDS: Readonly<Record<string, (limit: unknown) => Record<string, unknown>>> = {
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

let described = false;

/** Describes the bodies and parameters to swagger by the very rules that validate them, so that the document cannot differ from the behaviour. */
export function describeDtos(): void {
  if (described) return;
  described = true;
  for (const dto of DTOS) {
    const rules = getMetadataStorage().getTargetValidationMetadatas(dto, '', false, false);
    for (const property of new Set(rules.map((rule) => rule.propertyName))) {
      ApiProperty(
        optionsOf(
          dto,
          property,
          rules.filter((rule) => rule.propertyName === property),
        ),
      )(dto.prototype as object, property);
    }
  }
}

const kindOf = (rule: Rule): string => rule.name ?? rule.type;

function optionsOf(dto: Dto, property: string, rules: readonly Rule[]): ApiPropertyOptions {
  const required = !rules.some((rule) => rule.type === 'conditionalValidation');
  const nested = rules.some((rule) => rule.type === 'nestedValidation');
  const items = ITEMS[`${dto.name}.${property}`];
  if (items !== undefined)
    return {
      required,
      type: () => items,
      isArray: true,
      ...keywordsOf(rules.filter((rule) => kindOf(rule).startsWith('array'))),
    };
  if (nested) return { required, type: () => Reflect.getMetadata('design:type', dto.prototype as object, property) as Dto };
  if (!rules.some((rule) => kindOf(rule) === 'isArray')) return { required, ...keywordsOf(rules) };
  return {
    required,
    type: 'array',
    items: keywordsOf(rules.filter((rule) => rule.each)),
    ...keywordsOf(rules.filter((rule) => !rule.each)),
  };
}

const keywordsOf = (rules: readonly Rule[]): Record<string, unknown> =>
  Object.assign({}, ...[...rules].reverse().map((rule) => KEYWORDS[kindOf(rule)]?.(rule.constraints?.[0] as unknown) ?? {})) as Record<
    string,
    unknown
  >;
