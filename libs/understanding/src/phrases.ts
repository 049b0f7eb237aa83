import { startsWithAction } from './clauses.js';
import { EMPTY_HEADS, MODIFIER_FEATURES, PAIR_IDIOMS, SHARED_HEADS, TECHNOLOGIES } from './lexicon.js';

/** One thing to do, before it is an item. */
export interface Work {
  readonly verb: string;
  readonly object: string;
}

/** What one request asks for: itself, what it names one by one, and what it adds "with …". */
export interface Expanded {
  /** Absent when the request only announces a list: "add the following pages: …". */
  readonly main?: Work;
  readonly parts: readonly Work[];
  readonly modifiers: readonly Work[];
  /** Conditions that were said in the same breath: "make it accessible: forms need labels". */
  readonly criteria: readonly string[];
}

/** Things of one enumeration that become items. */
export const LIST_MAX = 40;
/** Characters of a title. */
export const TITLE_MAX = 90;

const ENUMERATION =
  /(?:,|\s-)?\s*(?:\b(?:including|such as|namely|consisting of|comprising|for example|with (?:the following|these)(?: \w+){0,2}|that (?:includes|covers|supports)|which (?:includes|covers|supports)|and the following(?: \w+)?)\b:?|:|\be\.g\.,?|\bi\.e\.,?)\s+/i;

const PLURAL_ANNOUNCED =
  /\b(?:following|these|several|some|various|multiple|more|all|many|two|three|four|five|six|different|common|\d+)\b/i;
const ARTEFACT =
  /\b(?:api|app|application|service|system|module|dashboard|page|site|website|cli|tool|library|package|platform|server|backend|frontend|plugin|bot|component|engine|pipeline|portal|shop|store|blog|game|sdk|client|panel|management|form|script|editor|framework|workflow)\b/i;

/** Verbs that mean the same for a thing's parts; the parts of anything else are implemented. */
const PART_VERBS = new Set([
  'add',
  'fix',
  'support',
  'test',
  'document',
  'remove',
  'delete',
  'update',
  'migrate',
  'refactor',
  'translate',
  'rename',
  'upgrade',
  'replace',
  'deprecate',
  'enable',
  'disable',
  'validate',
  'optimise',
  'optimize',
  'improve',
  'write',
  'drop',
  'move',
  'convert',
  'expose',
  'configure',
  'install',
]);

const DEPTH: Readonly<Record<string, number>> = { '(': 1, '[': 1, ')': -1, ']': -1 };

/** The parts between commas and semicolons that stand outside parentheses. */
function splitCommas(text: string): readonly string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length && parts.length < LIST_MAX; i += 1) {
    const mark = text.charAt(i);
    depth = Math.max(0, depth + (DEPTH[mark] ?? 0));
    if (depth === 0 && (mark === ',' || mark === ';')) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}

/** Splits "a, b, and c" at its own commas and last "and"; parentheses hold together. */
export function splitList(text: string): readonly string[] {
  const parts = splitCommas(text);
  const last = parts.at(-1) ?? '';
  const joined = parts.length === 1 ? splitPair(last) : splitLast(last);
  return [...parts.slice(0, -1), ...joined]
    .map((part) => part.replace(/^\s*(?:and|or|as well as|plus|&)\s+/i, '').trim())
    .filter((part) => part !== '')
    .slice(0, LIST_MAX);
}

function splitLast(last: string): readonly string[] {
  if (/^\s*(?:and|or|as well as|plus|&)\s/i.test(last)) return [last];
  return splitPair(last);
}

function splitPair(text: string): readonly string[] {
  if (PAIR_IDIOMS.some((idiom) => text.toLowerCase().includes(idiom))) return [text];
  const parts = text.split(/\s+(?:and|as well as|plus|&)\s+/i);
  return parts.length === 1 ? [text] : parts;
}

/** Cuts words that say nothing off the end: "password reset functionality" → "password reset". */
export function trimHead(text: string): string {
  let words = text
    .trim()
    .replace(/[.,;:!?]+$/, '')
    .split(/\s+/);
  while (words.length > 1 && EMPTY_HEADS.has((words.at(-1) ?? '').toLowerCase().replace(/\.$/, ''))) words = words.slice(0, -1);
  return words.join(' ');
}

const singularHead = (head: string): string => (head.endsWith('s') ? head.slice(0, -1) : head);

const wordsOf = (text: string): readonly string[] => text.split(/\s+/);
const headOf = (text: string): string => (wordsOf(text).at(-1) ?? '').toLowerCase();
const TAIL = /^(.{1,60}?)(\s+(?:to|for|in|on|from|into|of)\s+.+)$/i;

function splitTail(text: string): { readonly core: readonly string[]; readonly suffix: string } {
  const tail = TAIL.exec(text);
  return { core: wordsOf(tail?.[1] ?? text), suffix: tail?.[2] ?? '' };
}

/** Gives each conjunct what the last one carries for all: a head ("CSV and JSON export") or a tail ("a and b to the list"). */
function distribute(parts: readonly string[]): readonly string[] {
  const last = parts.slice(-1).join('');
  const before = parts.slice(0, -1);
  const { core, suffix } = splitTail(last);
  const head = core.slice(-1).join('');
  const bareBefore = before.every((part) => wordsOf(part).length <= 2 && !SHARED_HEADS.has(headOf(part)));
  if (core.length > 1 && SHARED_HEADS.has(head.toLowerCase()) && bareBefore) {
    return [...before, core.slice(0, -1).join(' ')].map((part) => `${part} ${singularHead(head)}${suffix}`);
  }
  const tailed = before.some((part) => /\s(?:to|for|in|on|from|into|of)\s/i.test(part));
  return tailed ? parts : [...before.map((part) => part + suffix), last];
}

const partVerb = (verb: string): string => (PART_VERBS.has(verb) ? verb : 'implement');

function workOf(verb: string, part: string): Work {
  const text = trimHead(part);
  if (startsWithAction(text, true)) {
    const [first = '', ...rest] = text.split(/\s+/);
    return { verb: first.toLowerCase(), object: rest.join(' ') };
  }
  return { verb: partVerb(verb), object: text };
}

const isFeature = (text: string): boolean => {
  const plain = text
    .toLowerCase()
    .replace(/^(?:proper|basic|simple|full|good|comprehensive|secure|user-friendly|appropriate|some|a|an|the)\s+/, '')
    .trim();
  return MODIFIER_FEATURES.includes(plain) || MODIFIER_FEATURES.includes(plain.replace(/ support$/, ''));
};

const MAKES = /^(?:create|build|develop|make|design|implement|add|write|scaffold|set up|introduce|provide|extend)$/;

const isTechnology = (text: string): boolean => Object.hasOwn(TECHNOLOGIES, text.toLowerCase().trim());

function splitModifiers(verb: string, head: string): { readonly rest: string; readonly modifiers: readonly Work[] } {
  const at = head.search(/,?\s+with\s+/i);
  if (at < 0 || !MAKES.test(verb) || /\s(?:that|which|where|so that)\s/i.test(head.slice(at))) return { rest: head, modifiers: [] };
  const list = splitList(head.slice(at).replace(/^,?\s+with\s+/i, ''));
  // A thing with three parts or more is described by them; a technology is how it is made.
  const described = list.length >= 3 && ARTEFACT.test(head.slice(0, at));
  const features = list.filter((part) => isFeature(part) || (described && !isTechnology(part)));
  const others = list.filter((part) => !features.includes(part));
  const rest = others.length === 0 ? head.slice(0, at) : features.length === 0 ? head : `${head.slice(0, at)} with ${others.join(' and ')}`;
  return {
    rest,
    modifiers: features.map((part) => ({
      verb: /test|document/i.test(part) ? 'write' : isFeature(part) ? 'add' : 'implement',
      object: trimHead(part),
    })),
  };
}

const ONE_THING_VERB = /^(?:let|ensure|move|convert|rename|replace|migrate|switch|compare|connect|sync|integrate|split|merge|make)$/;
const ONE_THING_WORD = /\b(?:so that|because|which|that|where|when|if|between|both|from)\b/i;
const PAIR_VERB = /^(?:add|implement|create|build|develop|support|fix|remove|write|delete|design|introduce|upgrade|document)$/;
const GOVERNS = /\s(?:for|to|in|of|from|with|by|against|on)\s/i;

/** "support for English, German and French" lists what the preposition governs, not what is to be made. */
const isGoverned = (parts: readonly string[]): boolean =>
  GOVERNS.test(parts[0] ?? '') && !parts.slice(1).some((part) => GOVERNS.test(part) || /^(?:a|an|the)\s/i.test(part));

/** "unit and integration tests": the first word of the pair leans on the head of the second. */
function leansOnHead(first: string, second: string): boolean {
  const [article = '', ...rest] = wordsOf(second);
  if (wordsOf(first).length > 1 || rest.length === 0) return false;
  return !/^(?:a|an|the|our|its|quoted\d+q)$/i.test(article) && !SHARED_HEADS.has(headOf(second));
}

function isPair(verb: string, object: string, [first = '', second = '']: readonly string[]): boolean {
  const plain = !/\s(?:to|for|in|on|of|from|with|by|as)\s/i.test(object) && wordsOf(first).length <= 4 && wordsOf(second).length <= 4;
  return plain && PAIR_VERB.test(verb) && !leansOnHead(first, second);
}

/** Several noun phrases after one verb: "add login, registration and logout". Undefined when it is one thing. */
function readCoordination(verb: string, object: string): readonly Work[] | undefined {
  if (ONE_THING_VERB.test(verb) || ONE_THING_WORD.test(object)) return undefined;
  const parts = splitList(object);
  if (parts.length < 2 || isGoverned(parts) || parts.some((part) => wordsOf(part).length > 9)) return undefined;
  if (parts.length === 2 && !isPair(verb, object, parts)) return undefined;
  return distribute(parts).map((part) => ({ verb, object: trimHead(part) }));
}

const SENTENCE_AFTER_COLON = /\b(?:needs?|must|should|shall|can|is|are|has to|have to|will)\b/i;
const TRAILING_LIMIT = /^(.{3,300}?),\s+((?:at most|at least|no more than|not more than|within|up to|under|without|no longer than)\b.+)$/i;

/** Takes one request apart. */
export function expandRequest(verb: string, whole: string): Expanded {
  const limited = TRAILING_LIMIT.exec(whole);
  const object = limited?.[1] ?? whole;
  const criteria = limited === null ? [] : [limited[2] ?? ''];
  const listed = ENUMERATION.exec(object);
  if (listed !== null && listed[0].trim() === ':' && verb !== 'fix' && SENTENCE_AFTER_COLON.test(object.slice(listed.index))) {
    return {
      main: { verb, object: object.slice(0, listed.index) },
      parts: [],
      modifiers: [],
      criteria: [...criteria, object.slice(listed.index + listed[0].length)],
    };
  }
  return { ...expandObject(verb, object, listed), criteria };
}

function expandObject(verb: string, object: string, listed: RegExpExecArray | null): Omit<Expanded, 'criteria'> {
  if (listed !== null) {
    const head = object.slice(0, listed.index).trim();
    const parts = splitList(object.slice(listed.index + listed[0].length));
    const { rest, modifiers } = splitModifiers(verb, head);
    const announces = PLURAL_ANNOUNCED.test(rest) || !ARTEFACT.test(rest) || rest === '';
    const works = distribute(parts.map(trimHead)).map((part) => workOf(verb, part));
    if (works.length > 1 || (works.length === 1 && /includ|namely|:/.test(listed[0])))
      return announces ? { parts: works, modifiers } : { main: { verb, object: rest }, parts: works, modifiers };
  }
  const { rest, modifiers } = splitModifiers(verb, object);
  const coordinated = readCoordination(verb, rest);
  if (coordinated !== undefined) return { parts: coordinated, modifiers };
  return { main: { verb, object: rest }, parts: [], modifiers };
}

/** A title from a verb and its object: one line, capitalised, cut between words. */
export function titleOf({ verb, object }: Work): string {
  // "Fix the total is wrong" is no sentence; a symptom is quoted as one.
  const symptom =
    verb === 'fix' &&
    /\s(?:is|are|was|were|does|do|doesn't|don't|isn't|aren't|crash(?:es)?|fails?|throws?|hangs?|returns?|shows?|disappears?|breaks?|times)\s/i.test(
      ` ${object} `,
    ) &&
    !/\b(?:that|which|where|when .* (?:is|are)|so that)\b.*\s(?:is|are|crash|fail)/i.test(object);
  const text = `${symptom ? 'fix:' : verb} ${trimHead(object)}`
    .replace(/\*\*|__|(?<!\w)[*_]|[*_](?!\w)/g, '')
    .replace(/\s+/g, ' ')
    .replace(/\s+([,.;:])/g, '$1')
    .trim();
  return clipWords(text.charAt(0).toUpperCase() + text.slice(1), TITLE_MAX);
}

/** Cuts at a space so that at most `max` characters remain; an ellipsis says so. */
export function clipWords(text: string, max: number): string {
  if (text.length <= max) return text;
  const cut = text.slice(0, max - 1);
  const space = cut.lastIndexOf(' ');
  return `${(space > max / 2 ? cut.slice(0, space) : cut).replace(/[\s,;:.-]+$/, '').replace(/[\uD800-\uDBFF]$/, '')}…`;
}
