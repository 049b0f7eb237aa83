import {
  ok,
  err,
  STEP_INPUT_BYTES_MAX,
  type AgentNeeds,
  type JsonObject,
  type PlanDraft,
  type RequirementItem,
  type RequirementMetadata,
  type Result,
  type StepDraft,
} from '@taskmaster/contracts';
import { fitPlan } from './bounds.js';
import { technologiesOf } from './classify.js';
import { identifyDependencies, reduceEdges } from './dependencies.js';
import { LANGUAGE_OF } from './lexicon.js';
import { clipWords } from './phrases.js';
import { clipBytes, utf8Length } from './text.js';
import { idsFrom } from './titles.js';

/** Steps of a decomposed plan; more items than this are grouped, in order. */
export const PLAN_STEPS_SENSIBLE_MAX = 12;

/** What a plan is made for. */
export interface OriginalTask {
  readonly text: string;
  readonly metadata?: RequirementMetadata;
  readonly context?: JsonObject;
}

const ROLES: Readonly<Record<string, string>> = {
  ui: 'frontend_developer',
  test: 'tester',
  documentation: 'technical_writer',
  infrastructure: 'devops_engineer',
  security: 'backend_developer',
};
const CAPABILITIES: Readonly<Record<string, readonly string[]>> = {
  feature: ['implementation'],
  api: ['implementation', 'api'],
  data: ['implementation', 'database'],
  ui: ['implementation', 'frontend'],
  security: ['implementation', 'security'],
  bugfix: ['debugging', 'implementation'],
  refactor: ['refactoring'],
  test: ['testing'],
  documentation: ['documentation'],
  infrastructure: ['devops'],
  performance: ['implementation', 'performance'],
};

function needsOf(item: RequirementItem, technologies: readonly string[]): AgentNeeds {
  const own = technologiesOf(`${item.title}\n${item.description}`);
  const named = own.length > 0 ? own : technologies;
  const languages = [...new Set(named.flatMap((technology) => LANGUAGE_OF[technology] ?? []))].slice(0, 4);
  // TypeScript and JavaScript are one request when both follow from the same stack.
  const spoken = languages.includes('typescript') ? languages.filter((language) => language !== 'javascript') : languages;
  const specialisations = named
    .filter((technology) => LANGUAGE_OF[technology] !== technology.toLowerCase())
    .map((technology) => technology.toLowerCase().replaceAll(' ', '-'))
    .slice(0, 6);
  return {
    role: ROLES[item.type] ?? 'backend_developer',
    capabilities: CAPABILITIES[item.type] ?? ['implementation'],
    ...(spoken.length > 0 ? { languages: spoken } : {}),
    ...(specialisations.length > 0 ? { specialisations } : {}),
  };
}

const ENTITY =
  /\b(?:(?:for|of) )?((?:\w+ )?\w+) management\b|\b(?:manag(?:e|ing)|CRUD (?:for|of|operations (?:for|on)))\s+((?:\w+ )?\w+)\b|\bapi (?:for|of)\s+(?:managing\s+)?((?:\w+ )?\w+)\b/i;
const NOT_ENTITIES =
  /^(?:the|this|that|our|your|its|it|all|api|rest|state|project|task|create|build|task ?s?|memory|package|dependency|version|configuration|error)$/i;

/** The thing whose records an interface manages: "user" of "REST API for user management". */
export function entityOf(title: string): string | undefined {
  const found = ENTITY.exec(title);
  const words = (found?.[1] ?? found?.[2] ?? found?.[3] ?? '')
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '' && !/^(?:for|of|a|an|the|api|with|and|in|management|managing)$/.test(word));
  const entity = words
    .join(' ')
    .replace(/ies$/, 'y')
    .replace(/(?<!s)s$/, '');
  return entity === '' || NOT_ENTITIES.test(entity) ? undefined : entity;
}

/** Work nobody wrote down and every engineer would do first: a service over records needs the records. */
function withFoundation(items: readonly RequirementItem[]): readonly RequirementItem[] {
  const api = items.find(
    (item) =>
      (item.type === 'api' || item.type === 'feature') &&
      /^(?:create|build|implement|develop|add|design|write|make|provide)\b/i.test(item.title) &&
      entityOf(item.title) !== undefined,
  );
  const entity = api === undefined ? undefined : entityOf(api.title);
  if (api === undefined || entity === undefined || items.some(({ type }) => type === 'data')) return items;
  const id = uniqueId(items, `define-${entity.replace(/[^a-z0-9]+/g, '-')}-data-model`);
  const model: RequirementItem = {
    id,
    title: `Define the ${entity} data model`,
    type: 'data',
    priority: api.priority,
    dependsOn: [],
    description: `Define what is stored for each ${entity}, its constraints and how it is persisted, so that the rest of the work can rely on it.`,
  };
  const needs = (item: RequirementItem): boolean =>
    !['test', 'documentation', 'infrastructure'].includes(item.type) && item.dependsOn.length === 0;
  return [model, ...items.map((item) => (needs(item) ? { ...item, dependsOn: [id] } : item))];
}

function uniqueId(items: readonly RequirementItem[], wanted: string): string {
  let id = wanted;
  for (let nth = 2; items.some((item) => item.id === id); nth += 1) id = `${wanted}-${String(nth)}`;
  return id;
}

/** A plan of several parts ends with a look at the whole, unless the requirement asks for tests itself. */
function withVerification(items: readonly RequirementItem[]): readonly RequirementItem[] {
  const built = items.filter(({ type }) => !['test', 'documentation'].includes(type));
  if (
    built.length < 3 ||
    items.some(({ type }) => type === 'test') ||
    built.every(({ type }) => type === 'bugfix' || type === 'infrastructure')
  )
    return items;
  const documented = items.some(({ type }) => type === 'documentation');
  const whole = items.find(({ type }) => type === 'api') ?? built[0];
  const api = whole?.type === 'api';
  const subject = api ? 'API' : 'whole change';
  const title = documented ? `Verify the ${subject} end to end` : `Verify and document the ${subject} end to end`;
  return [
    ...items,
    {
      id: uniqueId(items, idsFrom([title], 'verify')[0] ?? 'verify'),
      title,
      type: 'test',
      priority: 'medium',
      dependsOn: built.map(({ id }) => id),
      description: `Write tests that exercise the parts together (${clipWords(built.map((item) => item.title.toLowerCase()).join('; '), 500)}), including the failure cases${documented ? '' : ', and document how to use the result'}.`,
    },
  ];
}

function ordered(items: readonly RequirementItem[]): readonly RequirementItem[] {
  const level = new Map<string, number>();
  const byId = new Map(items.map((item) => [item.id, item]));
  // Longest path from the roots; the items are acyclic, so a pass per level settles them.
  for (let pass = 0, changed = true; changed && pass <= items.length; pass += 1) {
    changed = false;
    for (const item of items) {
      const next = Math.max(0, ...item.dependsOn.filter((id) => byId.has(id)).map((id) => (level.get(id) ?? 0) + 1));
      if (next !== (level.get(item.id) ?? 0)) {
        level.set(item.id, next);
        changed = true;
      }
    }
  }
  const position = new Map(items.map((item, index) => [item.id, index]));
  return [...items].sort(
    (a, b) => (level.get(a.id) ?? 0) - (level.get(b.id) ?? 0) || (position.get(a.id) ?? 0) - (position.get(b.id) ?? 0),
  );
}

/** Joins neighbours of the topological order; edges only lead backwards, so the groups stay acyclic. */
function grouped(items: readonly RequirementItem[]): readonly RequirementItem[] {
  if (items.length <= PLAN_STEPS_SENSIBLE_MAX) return items;
  const size = Math.ceil(items.length / PLAN_STEPS_SENSIBLE_MAX);
  const groupOf = new Map(items.map((item, index) => [item.id, Math.floor(index / size)]));
  const groups = Array.from({ length: Math.ceil(items.length / size) }, (_, nth) => items.slice(nth * size, (nth + 1) * size));
  const ids = groups.map((group) => group[0]?.id ?? '');
  return groups.map((group, nth): RequirementItem => {
    const outside = new Set(
      group.flatMap(({ dependsOn }) => dependsOn.flatMap((id) => groupOf.get(id) ?? [])).filter((other) => other !== nth),
    );
    const [first] = group;
    return {
      id: ids[nth] ?? '',
      title: clipWords(group.map(({ title }) => title).join('; '), 120),
      type: first?.type ?? 'feature',
      priority: first?.priority ?? 'medium',
      description: group.map(({ title, description }) => (title === description ? `- ${title}` : `- ${title}: ${description}`)).join('\n'),
      dependsOn: [...outside].sort((a, b) => a - b).flatMap((other) => ids[other] ?? []),
    };
  });
}

const DONE: Readonly<Record<string, string>> = {
  bugfix: 'A test reproduces the fault, fails before the fix and passes after it.',
  test: 'The tests pass, and fail when the behaviour they cover is broken.',
  documentation: 'The documentation matches what the code does, and its examples run.',
  refactor: 'Behaviour is unchanged: the existing tests pass without being weakened.',
  ui: 'The interface works with the keyboard and shows loading, empty and error cases.',
  infrastructure: 'The set-up can be repeated from a clean checkout with documented commands.',
  security: 'Both allowed and refused access are covered by tests; no secret is stored or logged in plain text.',
  data: 'The schema or model has constraints, and a test covers storing and reading it back.',
  performance: 'A measurement before and after shows the effect.',
  api: 'Valid and invalid requests are covered by tests, with the right status codes.',
  feature: 'Tests cover the behaviour, including what happens on bad input.',
};

const ABOUT_WORDS = /[\p{L}]{4,}/gu;
function criteriaOf(item: RequirementItem, metadata: RequirementMetadata | undefined, single: boolean): readonly string[] {
  const own = new Set(`${item.title}`.toLowerCase().match(ABOUT_WORDS) ?? []);
  const stated = (metadata?.acceptanceCriteria ?? []).filter(
    (criterion) =>
      single ||
      item.type === 'test' ||
      (criterion.toLowerCase().match(ABOUT_WORDS) ?? []).some((word) => own.has(word) || own.has(word.replace(/s$/, ''))),
  );
  return [...stated.map((criterion) => clipWords(criterion, 400)), DONE[item.type] ?? DONE['feature'] ?? ''].slice(0, 12);
}

function inputOf(item: RequirementItem, original: OriginalTask, single: boolean): JsonObject {
  const acceptanceCriteria = criteriaOf(item, original.metadata, single);
  const asked = clipBytes(original.text.trim(), 1_500);
  const detail = item.description === original.text.trim() || item.description === item.title ? [] : [item.description, ''];
  const instruction = clipBytes(
    [`${item.title}.`, '', ...detail, 'It is part of this requirement:', asked].join('\n'),
    STEP_INPUT_BYTES_MAX - 6_500,
  );
  const input = { title: item.title, instruction, acceptanceCriteria };
  // JSON escapes may still double a hostile text.
  return utf8Length(JSON.stringify(input)) <= STEP_INPUT_BYTES_MAX
    ? input
    : { title: clipBytes(item.title, 400), instruction: clipBytes(instruction, 1_500), acceptanceCriteria: acceptanceCriteria.slice(-1) };
}

/** Turns items into a plan of `agent.run` steps that run in parallel where nothing orders them. Errors when there is nothing to do. */
export function decomposeTask(items: readonly RequirementItem[], original: OriginalTask): Result<PlanDraft, string> {
  if (items.length === 0) return err('There is nothing to plan: the requirement has no items.');
  const complete = withVerification(identifyDependencies(withFoundation(identifyDependencies(items))));
  const chosen = grouped(ordered(identifyDependencies(complete)));
  const ids = idsFrom(
    chosen.map(({ title }) => title),
    'step',
  );
  const idOf = new Map(chosen.map((item, index) => [item.id, ids[index] ?? item.id]));
  const edges = reduceEdges(new Map(chosen.map((item) => [item.id, item.dependsOn.filter((id) => idOf.has(id))])));
  const technologies = original.metadata?.technologies ?? technologiesOf(original.text);
  const steps = chosen.map((item): StepDraft => ({
    id: idOf.get(item.id) ?? item.id,
    title: item.title,
    kind: 'agent.run',
    dependsOn: (edges.get(item.id) ?? []).flatMap((id) => idOf.get(id) ?? []),
    input: inputOf(item, original, chosen.length === 1),
    needs: needsOf(item, technologies),
  }));
  return ok(fitPlan({ steps }));
}
