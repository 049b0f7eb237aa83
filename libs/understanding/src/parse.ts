import { err, isJsonObject, ok, type JsonObject, type RequirementItem, type RequirementMetadata, type Result } from '@taskmaster/contracts';
import { fitParsed } from './bounds.js';
import { keywordsOf, splitClauses, startsWithAction, type Clause } from './clauses.js';
import { classifyWork, complexityOf, FINDINGS_MAX, priorityOf, risksOf, technologiesOf } from './classify.js';
import { identifyDependencies } from './dependencies.js';
import { MODIFIER_FEATURES } from './lexicon.js';
import { clipWords, expandRequest, titleOf, type Work } from './phrases.js';
import { isSmallTalk, readClause, type Reading } from './requests.js';
import { SENTENCES_MAX, shield, splitSentences } from './sentences.js';
import { normaliseText, readBlocks, type Block } from './text.js';
import { idsFrom } from './titles.js';

/** Items of one requirement; further ones are counted in a risk, not silently lost. */
export const ITEMS_MAX = 60;
const DESCRIPTION_MAX = 1_200;

export interface ParsedRequirement {
  readonly items: readonly RequirementItem[];
  readonly metadata: RequirementMetadata;
}

/** Why a text is no requirement, in words for its author. */
export interface NotUnderstood {
  readonly code: 'empty' | 'meaningless' | 'no-action';
  readonly message: string;
}

interface Draft {
  readonly title: string;
  readonly verb: string;
  readonly object: string;
  description: string;
  readonly type: string;
  readonly after: Set<number>;
}

interface Reader {
  readonly drafts: Draft[];
  readonly criteria: string[];
  readonly restore: (text: string) => string;
  /** Drafts of the clause before, which "then" refers to. */
  previous: readonly number[];
  /** Drafts that come after something named, which may be read later. */
  readonly named: { readonly indexes: readonly number[]; readonly after: string }[];
  sentences: number;
  dropped: number;
}

const identity = (text: string): string =>
  text
    .toLowerCase()
    .replace(/\b(?:a|an|the|our|please)\b/g, '')
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();

/** "Write tests for it": what was asked for last. */
function resolvePronoun(reader: Reader, work: Work): Work {
  const last = reader.drafts.at(-1);
  if (
    last === undefined ||
    !/(?:^|\s)(?:it|them|this|that)$/i.test(work.object) ||
    /\bof \w+$/i.test(work.object) ||
    last.object.split(/\s+/).length > 7
  )
    return work;
  return { ...work, object: work.object.replace(/(?:it|them|this|that)$/i, last.object) };
}

function addDraft(reader: Reader, said: Work, description: string): number | undefined {
  // "… crashes. Fix it.": the same piece of work.
  if (said.verb === 'fix' && /^(?:it|this|that|them)$/i.test(said.object) && reader.drafts.length > 0) return reader.drafts.length - 1;
  const work = resolvePronoun(reader, said);
  const title = clipWords(reader.restore(titleOf(work)), 120);
  if (!/[\p{L}\p{N}]{2}/u.test(title)) return undefined;
  const same = reader.drafts.findIndex((draft) => identity(draft.title) === identity(title));
  if (same >= 0) return same;
  if (reader.drafts.length >= ITEMS_MAX) {
    reader.dropped += 1;
    return undefined;
  }
  const quoted = reader.restore(description).trim();
  reader.drafts.push({
    title,
    verb: work.verb,
    object: work.object,
    description: clipWords(quoted === '' ? title : quoted, DESCRIPTION_MAX),
    type: classifyWork(title),
    after: new Set(),
  });
  return reader.drafts.length - 1;
}

const present = (indexes: readonly (number | undefined)[]): readonly number[] => [
  ...new Set(indexes.filter((index) => index !== undefined)),
];

function addWork(reader: Reader, reading: Extract<Reading, { kind: 'work' }>, sentence: string): readonly number[] {
  const { main, parts, modifiers, criteria } = expandRequest(reading.verb, reading.object);
  const container = main === undefined ? undefined : addDraft(reader, main, sentence);
  const named = present(parts.map((part) => addDraft(reader, part, sentence)));
  const added = present(modifiers.map((part) => addDraft(reader, part, sentence)));
  if (container !== undefined) for (const index of named) if (index !== container) reader.drafts[index]?.after.add(container);
  for (const criterion of criteria) addCriterion(reader, criterion);
  if (reading.benefit !== undefined) addCriterion(reader, reading.benefit);
  return present([container, ...named, ...added]);
}

function addCriterion(reader: Reader, text: string): void {
  const said = clipWords(reader.restore(text).replace(/\s+/g, ' ').trim(), 400);
  const criterion = said.charAt(0).toUpperCase() + said.slice(1);
  if (
    /[\p{L}\p{N}]{2}/u.test(criterion) &&
    reader.criteria.length < FINDINGS_MAX &&
    !reader.criteria.some((known) => identity(known) === identity(criterion))
  )
    reader.criteria.push(criterion);
}

/** Bugs that were spotted in the same breath stay one: "the page crashes when …" is one thing to fix. */
function addBug(reader: Reader, text: string, sentence: string): readonly number[] {
  const symptom = text.charAt(0).toLowerCase() + text.slice(1);
  return present([addDraft(reader, { verb: 'fix:', object: /^[A-Z]{2}/.test(text) ? text : symptom }, sentence)]);
}

/** Finds what "once login works" names, wherever it was asked for. */
function resolveNamed(reader: Reader): void {
  for (const { indexes, after } of reader.named) {
    const wanted = keywordsOf(after);
    reader.drafts.forEach((draft, earlier) => {
      if (indexes.includes(earlier) || !keywordsOf(draft.title).some((word) => wanted.includes(word))) return;
      for (const index of indexes) reader.drafts[index]?.after.add(earlier);
    });
  }
}

const WHOLE =
  /^(?:build|create|develop|make|scaffold|design|implement|write|set up)\s+(?:a|an|our|the)\s.{0,60}\b(?:app|application|website|site|platform|blog|shop|store|game|service|system|dashboard|cli|tool|library|bot|portal|page)\b/i;

/** What is added to a new thing waits for the thing. An interface is left out: its authentication can be made beside it. */
function resolveWhole(reader: Reader): void {
  const whole = reader.drafts.findIndex(({ title, type }) => WHOLE.test(title) && type !== 'api');
  if (whole < 0) return;
  reader.drafts.forEach((draft, index) => {
    if (index > whole && draft.after.size === 0 && /^(?:add|implement|support|let|show|write|test|document|deploy)$/.test(draft.verb))
      draft.after.add(whole);
  });
}

function readOne(reader: Reader, clause: Clause, sentence: string, labels: boolean): readonly number[] {
  const reading = readClause(clause.text, labels);
  if (reading.kind === 'criterion') addCriterion(reader, reading.text);
  if (reading.kind === 'criterion' || reading.kind === 'nothing') return [];
  const added = reading.kind === 'bug' ? addBug(reader, reading.text, sentence) : addWork(reader, reading, sentence);
  orderClause(reader, clause, added);
  if (added.length > 0) reader.previous = added;
  return added;
}

function orderClause(reader: Reader, clause: Clause, added: readonly number[]): void {
  if (clause.after !== undefined) reader.named.push({ indexes: added, after: clause.after });
  if (!clause.follows) return;
  for (const index of added) for (const earlier of reader.previous) if (earlier < index) reader.drafts[index]?.after.add(earlier);
}

function readSentence(reader: Reader, sentence: string, labels: boolean): readonly number[] {
  reader.sentences += 1;
  if (reader.sentences > SENTENCES_MAX) return [];
  // A story or a symptom is one thing however many verbs it has.
  const whole = readClause(sentence, false);
  const single = whole.kind === 'bug' || /^\s*as an? /i.test(sentence) || whole.kind === 'criterion';
  const clauses = single ? [{ text: sentence, follows: false }] : splitClauses(sentence);
  return clauses.flatMap((clause) => readOne(reader, clause, sentence, labels));
}

function readBlock(reader: Reader, block: Block, parentWorks: boolean): readonly number[] {
  if (block.section === 'background' || block.section === 'excluded') return [];
  if (block.kind === 'code') {
    const draft = reader.drafts.at(-1);
    if (draft !== undefined)
      draft.description = clipWords(
        `${draft.description}\n\nExample from the requirement:\n${reader.restore(block.text)}`,
        DESCRIPTION_MAX + 800,
      );
    return [];
  }
  if (block.kind === 'quote') return [];
  if (block.section === 'criteria' || (block.kind === 'item' && block.level > 0 && parentWorks)) {
    splitSentences(block.text).forEach((sentence) => {
      addCriterion(reader, sentence.replace(/[.;]+$/, ''));
    });
    return [];
  }
  return splitSentences(block.text).flatMap((sentence, nth) => readSentence(reader, sentence, block.kind === 'item' && nth === 0));
}

function readAll(text: string): Reader {
  const { text: shielded, restore } = shield(normaliseText(text));
  const reader: Reader = { drafts: [], criteria: [], restore, previous: [], named: [], sentences: 0, dropped: 0 };
  const parents: boolean[] = [];
  for (const block of readBlocks(shielded)) {
    const parentWorks = block.kind === 'item' && block.level > 0 && parents.slice(0, block.level).includes(true);
    const added = readBlock(reader, block, parentWorks);
    if (block.kind === 'item') {
      parents.length = block.level;
      parents[block.level] = added.length > 0;
    } else parents.length = 0;
  }
  resolveNamed(reader);
  resolveWhole(reader);
  return reader;
}

/** A single word is only a request when it is one of ours: "Pagination", not "asdf". */
const isNamed = (text: string): boolean =>
  text.trim().split(/\s+/).length > 1 ||
  MODIFIER_FEATURES.includes(
    text
      .trim()
      .toLowerCase()
      .replace(/[.!?]$/, ''),
  );

/** Nothing asked for work in so many words: a stated rule or a short noun phrase can still be one. */
function readLast(reader: Reader, text: string): void {
  const criterion = reader.criteria[0];
  if (criterion !== undefined) {
    reader.criteria.forEach((rule) => addDraft(reader, { verb: 'meet', object: `the rule: ${rule}` }, rule));
    return;
  }
  const { text: shielded } = shield(normaliseText(text));
  const blocks = readBlocks(shielded).filter(({ kind, section }) => kind !== 'code' && kind !== 'quote' && section === 'work');
  // A language these rules do not know: keep the author's words as one item rather than pretend to have read them.
  const foreign = blocks.find(
    (block) =>
      /[^\u0000-\u024f\s\p{P}\p{S}]{4}/u.test(block.text) ||
      (/[\u00c0-\u024f]/.test(block.text) && block.text.split(/\s+/).length >= 3 && !startsWithAction(block.text, false)),
  );
  if (foreign !== undefined) {
    addDraft(reader, { verb: '', object: splitSentences(foreign.text)[0] ?? foreign.text }, foreign.text);
    return;
  }
  const only = blocks[0];
  if (blocks.length === 1 && only !== undefined && isNamed(only.text)) readSentence(reader, only.text, true);
}

const notUnderstood = (code: NotUnderstood['code'], message: string): Result<never, NotUnderstood> => err({ code, message });

function refusalOf(text: string): Result<never, NotUnderstood> {
  const plain = text.trim();
  if (plain === '')
    return notUnderstood(
      'empty',
      'The requirement is empty. Say what should be built, changed or fixed, for example "Add a --version flag".',
    );
  const words = plain.match(/\p{L}{2,}/gu) ?? [];
  if (words.length < 2 || isSmallTalk(plain))
    return notUnderstood(
      'meaningless',
      'The requirement names nothing to work on. Say what should be done (a verb) and to what (an object).',
    );
  return notUnderstood(
    'no-action',
    'The requirement describes a situation but asks for nothing. Add what should be built, changed or fixed, and how one can tell that it is done.',
  );
}

function contextText(context: JsonObject): string {
  return Object.entries(context)
    .filter(
      ([key, value]) =>
        /^(?:tech\w*|stack|language|languages|framework)$/i.test(key) && (typeof value === 'string' || Array.isArray(value)),
    )
    .map(([, value]) => (Array.isArray(value) ? value.filter((entry) => typeof entry === 'string').join(', ') : String(value)))
    .join(', ')
    .slice(0, 2_000);
}

/**
 * Turns a requirement in plain language or Markdown into items and metadata. Deterministic, bounded by REQUIREMENT_BYTES_MAX, never
 * throws on any text. `context` may name a stack (`technologies`, `language`, `framework`). The error says what the text lacks.
 */
export function parseRequirements(text: string, context: JsonObject = {}): Result<ParsedRequirement, NotUnderstood> {
  const reader = readAll(text);
  if (reader.drafts.length === 0) readLast(reader, text);
  if (reader.drafts.length === 0) return refusalOf(normaliseText(text));
  const ids = idsFrom(
    reader.drafts.map(({ title }) => title),
    'item',
  );
  const items = reader.drafts.map((draft, index): RequirementItem => ({
    id: ids[index] ?? `item-${String(index + 1)}`,
    title: draft.title,
    description: draft.description,
    type: draft.type,
    priority: priorityOf(draft.description),
    dependsOn: [...draft.after].sort((a, b) => a - b).flatMap((earlier) => ids[earlier] ?? []),
  }));
  const said = normaliseText(text);
  const risks = [...risksOf(said)];
  if (reader.dropped > 0) risks.push(`Scope: ${String(reader.dropped)} further requests were left out; split the requirement.`);
  return ok(
    fitParsed({
      items: identifyDependencies(items),
      metadata: {
        complexity: complexityOf(said, items.length),
        technologies: technologiesOf(isJsonObject(context) ? `${said}\n${contextText(context)}` : said),
        risks,
        acceptanceCriteria: reader.criteria,
      },
    }),
  );
}
