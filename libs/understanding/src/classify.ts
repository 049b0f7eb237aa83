import type { RequirementMetadata } from '@taskmaster/contracts';
import { TECHNOLOGIES } from './lexicon.js';

export const ITEM_TYPES = [
  'bugfix',
  'test',
  'documentation',
  'infrastructure',
  'refactor',
  'performance',
  'data',
  'security',
  'ui',
  'api',
  'feature',
] as const;
/** What sort of work an item is. */
export type ItemType = (typeof ITEM_TYPES)[number];

/** Technologies and risks of one requirement that are reported. */
export const FINDINGS_MAX = 24;

const BY_OPENING: readonly (readonly [RegExp, ItemType])[] = [
  [/^(?:fix|resolve|debug|repair|investigate|correct|hotfix)\b/i, 'bugfix'],
  [/^(?:test|(?:write|add|create|implement|increase|extend)\b.{0,60}?\b(?:tests?|specs?|test (?:suite|coverage)|coverage)\b)/i, 'test'],
  [
    /^(?:document|(?:write|add|update|create|improve|generate|translate)\b.{0,60}?\b(?:docs|documentation|readme(?:\.md)?|changelog|guide|tutorial|manual|docstrings?|jsdoc|tsdoc|(?:code|inline) comments|adr|runbook))\b/i,
    'documentation',
  ],
  [
    /^(?:refactor|rename|restructure|reorganise|reorganize|clean up|simplify|extract|decouple|rewrite|modernise|modernize|deduplicate|split|inline|tidy|convert)\b/i,
    'refactor',
  ],
  [/^(?:upgrade|bump|deploy|dockerize|dockerise|containerize|containerise|provision|release|ship)\b/i, 'infrastructure'],
  [/^(?:optimise|optimize|speed up|profile|benchmark)\b/i, 'performance'],
  [
    /^(?:migrate|seed|backfill|import|archive)\b.{0,60}?\b(?:data|database|schema|table|records|postgres\w*|mysql|mongo\w*|sqlite)\b/i,
    'data',
  ],
];

const BY_SUBJECT: readonly (readonly [RegExp, ItemType])[] = [
  [
    /\b(?:ci|cd|ci\/cd|pipeline|docker\w*|kubernetes|k8s|helm|terraform|github actions|deployment|nginx|monitoring|observability|prometheus|grafana|logging|backups?|environment variables?|dependenc(?:y|ies))\b/i,
    'infrastructure',
  ],
  [
    /\b(?:authenticat\w+|authoris\w+|authoriz\w+|jwt|oauth2?|saml|sso|2fa|mfa|two-factor|encrypt\w*|csrf|xss|sql injection|vulnerabilit\w+|rate limit\w*|permissions?|rbac|role-based|password hashing|secrets?|sanitiz\w+|sanitis\w+|access control|audit log\w*)\b/i,
    'security',
  ],
  [
    /\b(?:schema|data model|models for|migrations?|databases?|database (?:tables?|index(?:es)?)|columns?|entity|entities|orm|seed data|warehouse|etl)\b/i,
    'data',
  ],
  [/\b(?:api|endpoints?|rest|graphql|grpc|webhooks?|routes?|openapi|microservice)\b/i, 'api'],
  [
    /\b(?:ui|ux|page|pages|button|buttons|form|screen|dashboard|modal|dialog|layout|css|frontend|front-end|component|widget|dark mode|theme|responsive|navbar|sidebar|menu|icon|tooltip|chart|landing|react|vue|svelte|accessib\w+|animation)\b/i,
    'ui',
  ],
  [/\b(?:latency|throughput|performance|caching|cache|slow|memory usage)\b/i, 'performance'],
];

/** The type of work a text asks for: how it opens decides, then what it is about. */
export function classifyWork(text: string): ItemType {
  const head = text.slice(0, 300);
  const found = BY_OPENING.find(([pattern]) => pattern.test(head)) ?? BY_SUBJECT.find(([pattern]) => pattern.test(head));
  return found?.[1] ?? 'feature';
}

/** Technologies named in a text, spelled as their makers do, in the order of the text. */
export function technologiesOf(text: string): readonly string[] {
  const words =
    text
      .slice(0, 65_536)
      .toLowerCase()
      .match(/[\p{L}\p{N}.][\p{L}\p{N}.+#-]{0,30}/gu) ?? [];
  const found: string[] = [];
  const note = (key: string): void => {
    const name = Object.hasOwn(TECHNOLOGIES, key) ? TECHNOLOGIES[key] : undefined;
    if (name !== undefined && !found.includes(name)) found.push(name);
  };
  words.forEach((raw, index) => {
    const word = raw.replace(/[.-]+$/, '');
    note(`${word} ${(words[index + 1] ?? '').replace(/[.]+$/, '')}`);
    note(word);
  });
  if (
    /\bGo\b(?! (?:to|back|on|over|through|ahead))/.test(text) &&
    /\b(?:in|using|with|written in) Go\b/.test(text) &&
    !found.includes('Go')
  )
    found.push('Go');
  return found.slice(0, FINDINGS_MAX);
}

const RISKS: readonly (readonly [RegExp, string])[] = [
  [
    /\b(?:password|login|authenticat\w+|jwt|oauth2?|session|token|permissions?|encrypt\w*)\b/i,
    'Security: authentication and credentials are involved; mistakes are exploitable.',
  ],
  [/\b(?:payments?|billing|invoice|stripe|paypal|checkout|refund|money)\b/i, 'Money: payment handling must be exact and idempotent.'],
  [
    /\b(?:migrat\w+|schema change|rename (?:the )?(?:table|column)|drop (?:the )?(?:table|column)|backfill)\b/i,
    'Data: a migration may lose or lock data; it needs a way back.',
  ],
  [/\b(?:personal data|gdpr|email address\w*|profile|users?' data|pii|patient|medical)\b/i, 'Privacy: personal data is touched.'],
  [
    /\b(?:third[- ]party|external (?:api|service)|integrat\w+ with|webhooks?|slack|stripe|paypal)\b/i,
    'Dependency: an outside service can fail or change.',
  ],
  [
    /\b(?:real[- ]time|concurren\w+|race condition|websockets?|parallel|distributed|queue|lock(?:ing)?)\b/i,
    'Concurrency: ordering and races need tests of their own.',
  ],
  [/\b(?:delete|remove|drop|purge|breaking change|deprecat\w+)\b/i, 'Compatibility: something that others may use goes away.'],
  [/\b(?:refactor\w*|rewrite|restructure|modernis\w+|moderniz\w+)\b/i, 'Regression: behaviour must stay the same while the code changes.'],
  [
    /\b(?:\d+\s?ms|latency|throughput|performance|million|scal(?:e|able|ability))\b/i,
    'Performance: a stated limit has to be measured, not assumed.',
  ],
  [/\b(?:production|deploy\w*|kubernetes|terraform|infrastructure)\b/i, 'Operations: a running system is affected.'],
];
const VAGUE =
  /\b(?:etc|somehow|maybe|some kind of|and so on|as needed|user-friendly|nice|better|good|fast|intuitive|modern|robust|whatever)\b/gi;

/** What can go wrong, each with its reason. */
export function risksOf(text: string): readonly string[] {
  const found = RISKS.filter(([pattern]) => pattern.test(text)).map(([, risk]) => risk);
  const vague = [...new Set((text.match(VAGUE) ?? []).map((word) => word.toLowerCase()))];
  if (vague.length > 0) found.push(`Ambiguity: "${vague.slice(0, 4).join('", "')}" can be read in more than one way.`);
  return found.slice(0, FINDINGS_MAX);
}

/** Complexity from 1 to 10: how much is asked for, how many technologies, how many risks, what sort of work. */
export function complexityOf(text: string, items: number): number {
  const large = /\b(?:system|platform|architecture|distributed|microservices?|from scratch|multi-tenant|real-time|scalable)\b/i.test(text)
    ? 2
    : 0;
  const score =
    1 + 0.8 * Math.max(0, items - 1) + 0.8 * Math.min(4, risksOf(text).length) + 0.3 * Math.min(6, technologiesOf(text).length) + large;
  return Math.max(1, Math.min(10, Math.floor(score)));
}

/** What a glance at a description tells: S1's `extractTaskMetadata`, synchronous and without a model. */
export interface TaskMetadata {
  readonly type: ItemType;
  readonly complexity: number;
  readonly technologies: readonly string[];
  readonly risks: readonly string[];
  readonly priority: 'low' | 'medium' | 'high' | 'critical';
}

/** The priority a text gives itself; medium when it says nothing. */
export function priorityOf(text: string): TaskMetadata['priority'] {
  if (
    /\b(?:critical|urgent(?:ly)?|asap|immediately|production is down|outage|blocker|hotfix|data loss|security (?:hole|breach))\b/i.test(
      text,
    )
  )
    return 'critical';
  if (/\b(?:high priority|important|as soon as possible|crash(?:es|ed)?|vulnerab\w+)\b/i.test(text)) return 'high';
  if (/\b(?:nice[- ]to[- ]have|low priority|optional(?:ly)?|minor|cosmetic|someday|typo|eventually|if time permits)\b/i.test(text))
    return 'low';
  return 'medium';
}

/** Classifies a description without splitting it; never throws, bounded by the length it reads. */
export function extractTaskMetadata(description: string): TaskMetadata {
  const text = description.slice(0, 65_536);
  const opening = text.replace(/^(?:please|we need to|i want to|could you|can you)\s+/i, '').trim();
  const pieces = (text.match(/[,;\n]|\band\b/g) ?? []).length;
  return {
    type: classifyWork(opening),
    complexity: complexityOf(text, Math.min(12, 1 + Math.floor(pieces * 0.7))),
    technologies: technologiesOf(text),
    risks: risksOf(text),
    priority: priorityOf(text),
  };
}

export type { RequirementMetadata };
