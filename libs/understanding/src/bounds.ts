import { STEP_OUTPUT_BYTES_MAX, type JsonObject, type PlanDraft, type RequirementItem, type StepDraft } from '@taskmaster/contracts';
import { clipWords } from './phrases.js';
import type { ParsedRequirement } from './parse.js';
import { utf8Length } from './text.js';

/** Bytes of a plan or of parsed items as JSON: they travel in the output of one step, with room for what surrounds them. */
export const UNDERSTANDING_BYTES_MAX = STEP_OUTPUT_BYTES_MAX - 1_536;

const bytesOf = (value: unknown): number => utf8Length(JSON.stringify(value));
const SHRINKING = [4_000, 1_200, 600, 300, 150, 80, 40, 16] as const;

function first<T>(candidates: readonly (() => T)[]): T | undefined {
  let last: T | undefined;
  for (const make of candidates) {
    last = make();
    if (bytesOf(last) <= UNDERSTANDING_BYTES_MAX) return last;
  }
  return last;
}

function shortItem(item: RequirementItem, max: number): RequirementItem {
  return {
    ...item,
    title: clipWords(item.title, Math.max(24, Math.min(120, max))),
    description: clipWords(item.description, max),
    dependsOn: item.dependsOn.slice(0, max),
  };
}

/** Shortens descriptions, the longest first by nature, until the whole fits one step's output. */
export function fitParsed(parsed: ParsedRequirement): ParsedRequirement {
  const shortened = SHRINKING.map((max) => (): ParsedRequirement => ({
    items: parsed.items.map((item) => shortItem(item, max)),
    metadata: {
      ...parsed.metadata,
      acceptanceCriteria: parsed.metadata.acceptanceCriteria
        .slice(0, 24)
        .map((criterion) => clipWords(criterion, Math.max(80, Math.min(400, max)))),
    },
  }));
  return first(shortened) ?? parsed;
}

function shortStep(step: StepDraft, max: number): StepDraft {
  const { instruction, acceptanceCriteria, ...rest } = step.input ?? {};
  const criteria = Array.isArray(acceptanceCriteria) ? acceptanceCriteria.filter((one): one is string => typeof one === 'string') : [];
  const input: JsonObject = {
    ...rest,
    instruction: clipWords(typeof instruction === 'string' ? instruction : (step.title ?? step.id), Math.max(40, max)),
    acceptanceCriteria: criteria
      .slice(-Math.max(1, Math.floor(max / 40)))
      .map((criterion) => clipWords(criterion, Math.max(60, Math.min(300, max)))),
  };
  const title = clipWords(step.title ?? step.id, Math.max(24, Math.min(120, max)));
  return { ...step, title, input: { ...input, title } };
}

/** Shortens instructions and criteria until the whole plan fits one step's output; agents are given the full requirement besides. */
export function fitPlan(plan: PlanDraft): PlanDraft {
  return first(SHRINKING.map((max) => (): PlanDraft => ({ steps: plan.steps.map((step) => shortStep(step, max)) }))) ?? plan;
}
