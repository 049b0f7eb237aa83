import { ACTION_VERBS, AMBIGUOUS_VERBS, STOP_WORDS } from './lexicon.js';
import { stripOpening } from './openings.js';
import { tagWords } from './sentences.js';

/** A piece of a sentence that may ask for one thing. */
export interface Clause {
  readonly text: string;
  /** Explicitly after the clause before it: "then", "after that", "before …ing". */
  readonly follows: boolean;
  /** What it is said to come after, when that is named rather than the clause before: "once login works, …". */
  readonly after?: string;
}

/** Clauses of one sentence that are looked at. */
export const CLAUSES_MAX = 24;

const gerundOf = (verb: string): readonly string[] => {
  if (verb.endsWith('ie')) return [`${verb.slice(0, -2)}ying`];
  if (verb.endsWith('e') && !verb.endsWith('ee')) return [`${verb.slice(0, -1)}ing`];
  return [`${verb}ing`, `${verb}${verb.at(-1) ?? ''}ing`];
};

const BASE_OF_GERUND: ReadonlyMap<string, string> = new Map(
  [...ACTION_VERBS, ...AMBIGUOUS_VERBS].flatMap((verb) => gerundOf(verb).map((gerund): [string, string] => [gerund, verb])),
);

/** "migrating the database" → "migrate the database"; undefined when the first word is no gerund we know. */
export function imperativeOfGerund(phrase: string): string | undefined {
  const [first = '', ...rest] = phrase.trim().split(/\s+/);
  const base = BASE_OF_GERUND.get(first.toLowerCase());
  return base === undefined ? undefined : [base, ...rest].join(' ');
}

const firstWords = (text: string): readonly [string, string] => {
  const [first = '', second = ''] = text
    .trim()
    .toLowerCase()
    .split(/[\s,.;:]+/, 2);
  return [first, second];
};

const STARTS_OBJECT =
  /^(?:a|an|the|this|that|these|those|all|any|each|every|our|my|your|their|its|it|them|some|new|existing|missing|up|out|quoted\d+q|\d+|unit|integration|if|whether|for)$/;

/** Whether a phrase begins with a verb that asks for work. `sure` refuses words that may be nouns unless an object follows. */
export function startsWithAction(text: string, sure: boolean): boolean {
  const [first, second] = firstWords(text);
  if (NO_OBJECT.test(second) || (second === '' && (sure || !ACTION_VERBS.has(first)))) return false;
  if (ACTION_VERBS.has(first) || takesObject(first, second)) return true;
  return !sure && isTaggedImperative(text);
}

const NO_OBJECT = /^(?:is|are|was|were|be|should|must|can|will|has|have|does)$/;
const takesObject = (first: string, second: string): boolean =>
  AMBIGUOUS_VERBS.has(first) &&
  (STARTS_OBJECT.test(second) || (second === 'to' && /^(?:deploy|release|ship|switch|upload|map|link)$/.test(first)));

function isTaggedImperative(text: string): boolean {
  const tags = tagWords(text, 8)[0]?.tags ?? [];
  return tags.includes('Imperative') || tags.includes('Infinitive');
}

const SEQUENCE = /(?:,|;|\.)?\s+(?:and\s+)?(?:then|afterwards|after that|afterward|subsequently|finally|lastly)\s*,?\s+/i;
const LEADING_SEQUENCE =
  /^(?:then|after that|afterwards|afterward|next|finally|lastly|subsequently|when (?:that|this) is done|once (?:that|this|that's|it) (?:is |'s )?(?:done|finished|works|complete))\b[\s,:]*/i;
const LEADING_AFTER = /^(?:after|once|as soon as)\s+(.{3,200}?),\s+(.+)$/i;
const TRAILING_BEFORE = /^(.{4,400}?),?\s+before\s+(\w{2,20}ing\b.{2,})$/i;
const BEFORE_FIRST = /^before\s+(\w{2,20}ing\b.{2,200}?),\s+(.+)$/i;
const TRAILING_AFTER = /^(.{4,400}?),?\s+(?:after|once)\s+(.{3,})$/i;

function splitOrder(text: string, follows: boolean): readonly Clause[] {
  const first = BEFORE_FIRST.exec(text);
  if (first !== null) {
    const later = imperativeOfGerund(first[1] ?? '');
    if (later !== undefined)
      return [
        { text: first[2] ?? '', follows },
        { text: later, follows: true },
      ];
  }
  const before = TRAILING_BEFORE.exec(text);
  if (before !== null) {
    const later = imperativeOfGerund(before[2] ?? '');
    if (later !== undefined)
      return [
        { text: before[1] ?? '', follows },
        { text: later, follows: true },
      ];
  }
  return splitAfter(text, follows);
}

/** What is said to come first and what then: "after a, b" or "b once a"; undefined when neither is said. */
function readAfter(text: string): { readonly earlier: string; readonly main: string; readonly leads: boolean } | undefined {
  const leading = LEADING_AFTER.exec(text);
  if (leading !== null) return { earlier: leading[1] ?? '', main: leading[2] ?? '', leads: true };
  const trailing = startsWithAction(text, false) ? TRAILING_AFTER.exec(text) : null;
  return trailing === null ? undefined : { earlier: trailing[2] ?? '', main: trailing[1] ?? '', leads: false };
}

const IS_STATE = /\b(?:is|are|works?|done|finished|ready|exists?|complete|merged|lands?)\b/i;

function splitAfter(text: string, follows: boolean): readonly Clause[] {
  const said = readAfter(text);
  if (said === undefined) return [{ text, follows }];
  const imperative = imperativeOfGerund(said.earlier);
  if (imperative !== undefined)
    return [
      { text: imperative, follows },
      { text: said.main, follows: true },
    ];
  // "after five minutes", "after login" say when it happens, not what is built first.
  if (!said.leads && !IS_STATE.test(said.earlier)) return [{ text, follows }];
  return [{ text: said.main, follows, after: said.earlier }];
}

/** "a script to parse logs and print totals": the second verb belongs to the purpose of the first. */
const PURPOSE = /\bto\s+([a-z]+)\b/i;

function opensWork(part: string, joint: string, clauses: readonly string[]): boolean {
  if (!startsWithAction(stripOpening(clauses[0] ?? ''), false)) return false;
  if (joint.includes(';')) return true;
  return !(isPurpose(clauses.at(-1) ?? '') && !joint.includes(',')) && startsWithAction(part, true);
}

function isPurpose(clause: string): boolean {
  const verb = PURPOSE.exec(clause)?.[1]?.toLowerCase() ?? '';
  return ACTION_VERBS.has(verb) || AMBIGUOUS_VERBS.has(verb);
}

/** Splits at "and", commas and semicolons where a new verb of work begins. */
function splitActions(text: string): readonly string[] {
  const parts = text.split(/(\s*;\s+|,?\s+(?:and|&)\s+|,\s+(?!and\b))/);
  const clauses: string[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const part = parts[i] ?? '';
    const joint = parts[i - 1] ?? '';
    const opens = clauses.length === 0 || (clauses.length < CLAUSES_MAX && opensWork(part, joint, clauses));
    if (opens) clauses.push(part);
    else clauses[clauses.length - 1] = `${clauses.at(-1) ?? ''}${joint}${part}`;
  }
  return clauses;
}

/** A sentence as the clauses that may each ask for one thing, in the order of the text. */
export function splitClauses(sentence: string): readonly Clause[] {
  const clauses: Clause[] = [];
  const parts = sentence
    .split(SEQUENCE)
    .filter((part) => part.trim() !== '')
    .slice(0, CLAUSES_MAX);
  parts.forEach((part, index) => {
    const bare = part.replace(LEADING_SEQUENCE, '');
    const follows = index > 0 || bare !== part;
    splitOrder(bare.trim(), follows).forEach((ordered) => {
      splitActions(ordered.text).forEach((text, nth) => {
        clauses.push(nth === 0 ? { ...ordered, text: text.trim() } : { text: text.trim(), follows: false });
      });
    });
  });
  return clauses.slice(0, CLAUSES_MAX);
}

/** The words of a phrase that say what it is about, in lower case and singular. */
export function keywordsOf(text: string): readonly string[] {
  const found = text.toLowerCase().match(/[\p{L}\p{N}][\p{L}\p{N}.+#-]{0,40}/gu) ?? [];
  return [
    ...new Set(
      found
        .slice(0, 400)
        .filter((word) => !STOP_WORDS.has(word))
        .map(singular),
    ),
  ];
}

/** A rough singular, enough to compare words. */
export function singular(word: string): string {
  if (word.length < 4 || /(?:ss|us|is|ics)$/.test(word)) return word;
  if (word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  if (/(?:ches|shes|xes|sses)$/.test(word)) return word.slice(0, -2);
  return word.endsWith('s') ? word.slice(0, -1) : word;
}
