import { startsWithAction } from './clauses.js';
import { stripOpening } from './openings.js';
import { ACTION_VERBS, AMBIGUOUS_VERBS, ENABLING_VERBS, GREETINGS, STATIVE_VERBS, TECHNOLOGIES } from './lexicon.js';
import { tagWords } from './sentences.js';

/** What a clause turned out to be. */
export type Reading =
  | { readonly kind: 'work'; readonly verb: string; readonly object: string; readonly benefit?: string }
  | { readonly kind: 'bug'; readonly text: string }
  | { readonly kind: 'criterion'; readonly text: string }
  | { readonly kind: 'nothing' };

const NOTHING: Reading = { kind: 'nothing' };

const NOUN_WISH =
  /^(?:(?:we|i|they|our (?:users|customers|team)|(?:the|our) (?:team|users|customers|company|app|application|project))(?: would|'d)?(?: also| really)? (?:need|needs|want|wants|require|requires|like|could use|am looking for|are looking for)|there (?:should|must|needs to) be|it would be (?:nice|great|good) to have|i'd (?:like|love)|what we need is)\s+((?:a|an|the|some|more|better|new|two|three|our|\w+(?:ing)?)\s.+)$/i;

const STORY =
  /^as an? ([^,]{1,80}?),?\s+i (?:want|need|would like|wish|'d like|should be able|must be able|can)(?: to)?\s+(.{2,}?)(?:,?\s+(?:so that|in order to|so)\s+(.+))?$/i;

const MODAL =
  /^(.{1,200}?)\s+(must not|mustn't|should not|shouldn't|shall not|may not|cannot|can't|will not|must|should|shall|needs? to|ha(?:s|ve) to|can|may|will)\s+(?:also\s+|always\s+|only\s+|never\s+|then\s+)?(.+)$/i;

const SYSTEM_SUBJECT =
  /^(?:the |our |this |my |an? |each |every )?(?:\w+[ -]){0,3}?(?:system|app|application|api|service|cli|tool|site|website|page|platform|server|program|script|bot|dashboard|module|library|software|product|backend|frontend|ui|interface|component|widget|form|command|plugin|worker|job|job queue|gateway|client|engine|it|we|endpoint|package|game|solution)$/i;

const PERSON_SUBJECT =
  /\b(?:users?|admins?|administrators?|customers?|members?|visitors?|people|anyone|everyone|guests?|managers?|operators?|developers?|authors?|editors?|teachers?|students?|patients?|sellers?|buyers?|moderators?|owners?|clients?|employees?|they|player|players)$/i;

const MEASURE =
  /\b(?:at most|at least|no more than|no less than|not more than|up to \d|within \d|under \d|less than|fewer than|more than \d|below \d|above \d|greater than|minimum|maximum|\d+\s?(?:ms|s|sec|seconds?|minutes?|%|percent|mb|gb|kb|rps|requests))\b/i;

const SYMPTOM =
  /\b(?:crash(?:es|ed|ing)?|fails?|failed|failing|throws?|broken|breaks|doesn't|does not|don't work|isn't|is not|are not|aren't|hangs?|freezes?|leaks?|returns? (?:an? )?(?:http )?[45]\d\d|incorrect(?:ly)?|wrong(?:ly)?|error|exception|bug|regression|stuck|(?:too|very) slow|times? out|missing|no longer|never (?:loads|works|ends|finishes)|unable to|can't|cannot|won't|shows? (?:up )?(?:as )?(?:nan|undefined|null))\b/i;

const CONDITION = /^(?:if|when|whenever|in case|unless|while|for every|for each|on)\s+(.{3,300}?),\s+(?:then\s+)?(.+)$/i;
const RULE_OPENING =
  /^(?:no|never|only|do not|don't|avoid|without|at most|at least|maximum|minimum|given|ensure that|ensure|make sure(?: that)?|it must|all|any|each|every|keep|existing)\b/i;

const bare = (text: string): string => text.trim().replace(/[.!?;,:\s]+$/, '');
const firstWord = (text: string): string => (/^[\p{L}'-]+/u.exec(text)?.[0] ?? '').toLowerCase();

function splitVerb(text: string): Reading {
  const verb = firstWord(text);
  const object = text.slice(verb.length).trim();
  const particle = /^(?:up|out)\b\s*/i.exec(object);
  const takes =
    particle !== null && /^(?:set|back|clean|roll|sign|hook|wire|speed|spin|stand|scale|tidy|build|carry|look|figure)$/.test(verb);
  if (!takes) return { kind: 'work', verb, object };
  return { kind: 'work', verb: `${verb} ${particle[0].trim()}`, object: object.slice(particle[0].length) };
}

const isVerb = (word: string): boolean => ACTION_VERBS.has(word) || AMBIGUOUS_VERBS.has(word);
/** Whether a person who "should …" is to be enabled rather than promised something. */
const enables = (subject: string, verb: string, rest: string): boolean =>
  PERSON_SUBJECT.test(subject) && !STATIVE_VERBS.has(verb) && (!MEASURE.test(rest) || isVerb(verb));
/** Whether a system that "should …" is to be taught something rather than held to a rule. */
const teaches = (subject: string, verb: string, rest: string): boolean =>
  SYSTEM_SUBJECT.test(subject) &&
  !MEASURE.test(rest) &&
  (ENABLING_VERBS.has(verb) || ACTION_VERBS.has(verb) || (AMBIGUOUS_VERBS.has(verb) && !STATIVE_VERBS.has(verb)));

function readModal(text: string): Reading | null {
  const found = MODAL.exec(text);
  if (found === null) return null;
  const [, subject = '', modal = '', rest = ''] = found;
  if (/not|n't/i.test(modal)) return { kind: 'criterion', text };
  const able = /^be (?:able|allowed) to\s+(.+)$/i.exec(rest);
  if (able !== null) return { kind: 'work', verb: 'let', object: `${subject.toLowerCase()} ${able.slice(1).join('')}` };
  const verb = firstWord(rest);
  if (enables(subject, verb, rest)) return { kind: 'work', verb: 'let', object: `${lowerFirst(subject)} ${rest}` };
  if (teaches(subject, verb, rest)) return splitVerb(rest);
  return /^(?:can|may|will)$/i.test(modal) ? NOTHING : { kind: 'criterion', text };
}

const lowerFirst = (text: string): string => (/^\p{Lu}\p{Ll}/u.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text);

function readStory(text: string): Reading | null {
  const story = STORY.exec(text);
  if (story === null) return null;
  const [, who = '', wish = '', benefit] = story;
  const reading: Reading = startsWithAction(wish, false)
    ? { kind: 'work', verb: 'let', object: `${pluralPerson(who)} ${wish}` }
    : /^(?:a|an|the|my|some)\b/i.test(wish)
      ? { kind: 'work', verb: 'add', object: wish }
      : { kind: 'work', verb: 'let', object: `${pluralPerson(who)} ${wish}` };
  const theirs = { ...reading, object: thirdPerson(reading.object) };
  return benefit === undefined
    ? theirs
    : { ...theirs, benefit: thirdPerson(bare(benefit).replace(/^(?:i|we) /i, `${pluralPerson(who)} `)) };
}

const PRONOUNS: Readonly<Record<string, string>> = { i: 'they', my: 'their', me: 'them', mine: 'theirs', myself: 'themselves' };
/** What somebody said of themselves, said of them. */
const thirdPerson = (text: string): string => text.replace(/\b(?:i|my|me|mine|myself)\b/gi, (word) => PRONOUNS[word.toLowerCase()] ?? word);

const pluralPerson = (who: string): string => (/s$/i.test(who) ? who : `${who.trim()}s`);

function readConditional(text: string): Reading | null {
  const found = CONDITION.exec(text);
  if (found === null) return null;
  const main = stripOpening(found[2] ?? '');
  const reading = readModal(main) ?? (startsWithAction(main, true) ? splitVerb(main) : null);
  if (reading?.kind !== 'work' || /^(?:if|unless)\b/i.test(text) || /^(?:return|respond|reject)\b/i.test(main))
    return { kind: 'criterion', text };
  return { ...reading, object: `${reading.object} ${lowerFirst(text.slice(0, text.indexOf(',')))}` };
}

/** A label such as "Dark mode" or "Password reset": a noun phrase and nothing else. */
export function isLabel(text: string, wordsMax: number): boolean {
  const count = text.split(/\s+/).length;
  if (count > wordsMax || !/\p{L}{3}/u.test(text)) return false;
  return !tagWords(text, wordsMax).some(
    ({ tags }) =>
      tags.includes('Copula') ||
      tags.includes('Modal') ||
      tags.includes('Pronoun') ||
      (tags.includes('Verb') &&
        !tags.includes('Gerund') &&
        !tags.includes('Participle') &&
        !tags.includes('Infinitive') &&
        !tags.includes('PresentTense')),
  );
}

/** Reads one clause. `labels` allows a bare noun phrase to be work, as in a list. */
export function readClause(raw: string, labels: boolean): Reading {
  const text = bare(raw);
  const opened = bare(stripOpening(text));
  if (opened === '' || isSmallTalk(opened)) return NOTHING;
  const story = readStory(opened);
  if (story !== null) return story;
  if (RULE_OPENING.test(opened) && (!startsWithAction(opened, false) || /^(?:ensure|make sure|keep|avoid)\b/i.test(opened)))
    return { kind: 'criterion', text: opened };
  if (startsWithAction(opened, false)) return splitVerb(opened);
  return readStatement(text, opened, labels);
}

function readStatement(text: string, opened: string, labels: boolean): Reading {
  const conditional = readConditional(opened);
  if (conditional !== null) return conditional;
  const wish = NOUN_WISH.exec(opened);
  if (wish !== null) return { kind: 'work', verb: 'add', object: wish[1] ?? '' };
  const modal = readModal(opened);
  if (modal !== null && modal.kind !== 'nothing') return modal;
  return readRemark(text, opened, labels);
}

function readRemark(text: string, opened: string, labels: boolean): Reading {
  const length = opened.split(/\s+/).length;
  if (SYMPTOM.test(opened) && !text.endsWith('?') && length >= 3) return { kind: 'bug', text: opened };
  if (MEASURE.test(opened) && length <= 14) return { kind: 'criterion', text: opened };
  return labels && isLabel(opened, 10) ? { kind: 'work', verb: 'implement', object: lowerLabel(opened) } : NOTHING;
}

/** A label's first letter is no name's, unless it is a technology's or an abbreviation. */
const lowerLabel = (text: string): string => (Object.hasOwn(TECHNOLOGIES, firstWord(text)) ? text : lowerFirst(text));

/** Greetings, thanks and signatures. */
export function isSmallTalk(text: string): boolean {
  const words = text
    .toLowerCase()
    .split(/[\s,!.]+/)
    .filter((word) => word !== '');
  if (words.length === 0) return true;
  return GREETINGS.has(words[0] ?? '') && words.length <= 6;
}
