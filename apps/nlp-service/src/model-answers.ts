import {
  err,
  isJsonObject,
  ok,
  parseStepId,
  type Json,
  type JsonObject,
  type PlanDraft,
  type RequirementItem,
  type Result,
  type StepDraft,
} from '@taskmaster/contracts';
import { clipWords, fitParsed, fitPlan, ITEM_TYPES, ITEMS_MAX, slugOf, INSTRUCTIONS_BYTES_MAX, clipBytes } from '@taskmaster/understanding';
import type { CompletionCheck, Understanding } from './interpreter.js';
import { objectOf, textOf, textsOf } from './step-input.js';

/** Steps of a plan that a model may propose. */
export const MODEL_STEPS_MAX = 30;
const TITLE_MAX = 120;

type Parsed<T> = Result<T, readonly string[]>;

const objectsOf = (value: Json | undefined): readonly JsonObject[] | undefined =>
  Array.isArray(value) ? (value as readonly Json[]).filter(isJsonObject) : undefined;
const clean = (value: Json | undefined, max: number): string =>
  clipWords(
    textOf(value)
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, ' ')
      .trim(),
    max,
  );
const listOf = (value: Json | undefined, count: number, max: number): readonly string[] =>
  textsOf(value)
    .slice(0, count)
    .map((one) => clean(one, max))
    .filter((one) => one !== '');

interface Named {
  readonly id: string;
  readonly dependsOn: readonly string[];
}

/** Faults of ids and dependencies: invalid, used twice, unknown, in a cycle. */
function graphFaults(nodes: readonly Named[], what: string): readonly string[] {
  const known = new Set(nodes.map(({ id }) => id));
  const faults = nodes.flatMap(({ id, dependsOn }) => [
    ...(parseStepId(id).ok ? [] : [`The ${what} id "${id.slice(0, 60)}" is not made of lower case letters, digits and dashes.`]),
    ...dependsOn
      .filter((on) => !known.has(on))
      .map((on) => `The ${what} "${id.slice(0, 60)}" depends on "${on.slice(0, 60)}", which does not exist.`),
  ]);
  if (known.size < nodes.length) faults.push(`Two of the ${what}s have the same id.`);
  const cycle = cycleOf(nodes);
  return cycle === undefined ? faults : [...faults, `These ${what}s wait for each other: ${cycle.join(', ')}.`];
}

/** Ids that can never be ready; undefined when the dependencies are acyclic. */
function cycleOf(nodes: readonly Named[]): readonly string[] | undefined {
  let open = nodes;
  for (;;) {
    const waiting = new Set(open.map(({ id }) => id));
    const stuck = open.filter(({ dependsOn }) => dependsOn.some((id) => waiting.has(id)));
    if (stuck.length === 0) return undefined;
    if (stuck.length === open.length) return stuck.map(({ id }) => id).slice(0, 10);
    open = stuck;
  }
}

function itemOf(raw: JsonObject): RequirementItem {
  const title = clean(raw['title'], TITLE_MAX);
  const type = textOf(raw['type']);
  const priority = textOf(raw['priority']);
  const id = textOf(raw['id']);
  return {
    id: parseStepId(id).ok ? id : slugOf(id === '' ? title : id),
    title,
    description: clean(raw['description'], 1_200) || title,
    type: (ITEM_TYPES as readonly string[]).includes(type) ? type : 'feature',
    priority: ['low', 'medium', 'high', 'critical'].includes(priority) ? priority : 'medium',
    dependsOn: [...new Set(textsOf(raw['dependsOn']))].slice(0, 20),
  };
}

/** Items and metadata from a model; faults are told back to it once. */
export function parseUnderstanding(value: unknown): Parsed<Understanding> {
  if (!isJsonObject(value)) return err(['The answer is not an object.']);
  const raw = objectsOf(value['items']);
  if (raw === undefined) return err(['"items" is not a list.']);
  if (raw.length === 0) return err(['"items" is empty: name at least one piece of work, as concretely as the text allows.']);
  if (raw.length > ITEMS_MAX) return err([`There are ${String(raw.length)} items; at most ${String(ITEMS_MAX)} are allowed.`]);
  const items = raw.map(itemOf);
  const faults = [...items.filter(({ title }) => title === '').map(() => 'An item has no title.'), ...graphFaults(items, 'item')];
  if (faults.length > 0) return err(faults);
  const metadata = objectOf(value['metadata']);
  const complexity = Number(metadata['complexity']);
  return ok(
    fitParsed({
      items,
      metadata: {
        complexity: Number.isFinite(complexity) ? Math.max(1, Math.min(10, Math.round(complexity))) : 5,
        technologies: listOf(metadata['technologies'], 24, 60),
        risks: listOf(metadata['risks'], 24, 300),
        acceptanceCriteria: listOf(metadata['acceptanceCriteria'], 24, 400),
      },
    }),
  );
}

function stepOf(raw: JsonObject): StepDraft & Named {
  const title = clean(raw['title'], TITLE_MAX);
  const id = textOf(raw['id']);
  const languages = listOf(raw['languages'], 4, 30);
  const specialisations = listOf(raw['specialisations'], 6, 40);
  const capabilities = listOf(raw['capabilities'], 6, 40);
  const role = clean(raw['role'], 40);
  return {
    // A stage's own prefix is not a plan's to use; the slug avoids it.
    id: parseStepId(id).ok && !id.startsWith('tm-') ? id : slugOf(id === '' ? title : id),
    title,
    kind: 'agent.run',
    dependsOn: [...new Set(textsOf(raw['dependsOn']))].slice(0, MODEL_STEPS_MAX),
    input: { title, instruction: clean(raw['instruction'], 4_000), acceptanceCriteria: listOf(raw['acceptanceCriteria'], 12, 400) },
    needs: {
      ...(role === '' ? {} : { role }),
      ...(capabilities.length === 0 ? {} : { capabilities }),
      ...(languages.length === 0 ? {} : { languages }),
      ...(specialisations.length === 0 ? {} : { specialisations }),
    },
  };
}

/** A plan of `agent.run` steps from a model, whatever kinds it may have named. */
export function parsePlanAnswer(value: unknown): Parsed<PlanDraft> {
  const raw = isJsonObject(value) ? objectsOf(value['steps']) : undefined;
  if (raw === undefined || raw.length === 0) return err(['"steps" is not a list with at least one step.']);
  if (raw.length > MODEL_STEPS_MAX)
    return err([`There are ${String(raw.length)} steps; at most ${String(MODEL_STEPS_MAX)} are allowed, and about ten are sensible.`]);
  const steps = raw.map(stepOf);
  const faults = [
    ...steps.filter(({ title }) => title === '').map(() => 'A step has no title.'),
    ...steps
      .filter(({ input }) => textOf(input?.['instruction']) === '')
      .map(({ id }) => `The step "${id.slice(0, 60)}" has no instruction.`),
    ...graphFaults(steps, 'step'),
  ];
  return faults.length > 0 ? err(faults) : ok(fitPlan({ steps }));
}

export function parseInstructions(value: unknown): Parsed<string> {
  const text = isJsonObject(value) ? textOf(value['instructions']).trim() : '';
  return text.length < 20 ? err(['"instructions" is not a prompt.']) : ok(clipBytes(text, INSTRUCTIONS_BYTES_MAX));
}

export function parseCheck(value: unknown): Parsed<CompletionCheck> {
  const raw = isJsonObject(value) ? objectsOf(value['findings']) : undefined;
  if (raw === undefined || raw.length === 0) return err(['"findings" is not a list with at least one finding.']);
  const findings = raw.slice(0, 40).map((finding) => ({
    criterion: clean(finding['criterion'], 200),
    proven: finding['proven'] === true,
    evidence: clean(finding['evidence'], 150),
  }));
  const unproven = findings.filter(({ proven }) => !proven).map(({ criterion }) => criterion);
  // A model that finds everything proven has still to have found it: no finding, no completion.
  return ok({ complete: unproven.length === 0, findings: findings.slice(0, 24), unproven: unproven.slice(0, 24) });
}
