import {
  err,
  isJsonObject,
  ok,
  type Json,
  type JsonObject,
  type Notice,
  type QueryAsker,
  type RequirementItem,
  type RequirementMetadata,
  type Result,
  type StepContext,
  type StepError,
} from '@taskmaster/contracts';
import type { Understanding } from './interpreter.js';

export const textOf = (value: Json | undefined, fallback = ''): string => (typeof value === 'string' ? value : fallback);
export const objectOf = (value: Json | undefined): JsonObject => (isJsonObject(value) ? value : {});
export const textsOf = (value: Json | undefined): readonly string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : [];

export const invalid = (message: string, detail: JsonObject = {}): StepError => ({ type: 'validation', message, retryable: false, detail });

/** What a notice does not carry: a long requirement stays in the request. Null when the attempt is no longer known. @throws StateUnavailable */
export function stepContextOf(queries: QueryAsker, notice: Notice): Promise<StepContext | null> {
  const { tenantId, workflowId, stepId, attempt } = notice;
  return queries.ask('GetStepContext', { tenantId, workflowId, stepId, attempt });
}

/** The requirement: from the notice when it is short, else from the workflow. */
export async function requirementOf(queries: QueryAsker, notice: Notice): Promise<Result<string, StepError>> {
  const carried = notice.input['text'];
  if (typeof carried === 'string') return ok(carried);
  const context = await stepContextOf(queries, notice);
  return context?.requirement === undefined ? err(invalid('The step has no requirement text.')) : ok(context.requirement);
}

function itemOf(value: Json): RequirementItem | undefined {
  if (!isJsonObject(value)) return undefined;
  const { id, title } = value;
  if (typeof id !== 'string' || typeof title !== 'string') return undefined;
  return {
    id,
    title,
    description: textOf(value['description'], title),
    type: textOf(value['type'], 'feature'),
    priority: textOf(value['priority'], 'medium'),
    dependsOn: textsOf(value['dependsOn']),
  };
}

function metadataOf(value: JsonObject): RequirementMetadata {
  const { complexity } = value;
  return {
    complexity: typeof complexity === 'number' && complexity >= 1 && complexity <= 10 ? Math.round(complexity) : 5,
    technologies: textsOf(value['technologies']),
    risks: textsOf(value['risks']),
    acceptanceCriteria: textsOf(value['acceptanceCriteria']),
  };
}

/** Items and metadata as they lie in a step's input or in a model's answer; an error when there is no usable item. */
export function understandingOf(items: Json | undefined, metadata: Json | undefined): Result<Understanding, StepError> {
  const known = Array.isArray(items) ? (items as readonly Json[]).map(itemOf).filter((item) => item !== undefined) : [];
  return known.length === 0
    ? err(invalid('There are no items to work on.'))
    : ok({ items: known, metadata: metadataOf(objectOf(metadata)) });
}
