import type { RequirementItem } from '@taskmaster/contracts';
import { keywordsOf } from './clauses.js';

/** Dependencies by id, kept acyclic: an edge that would close a cycle is refused. */
interface Graph {
  readonly edges: Map<string, Set<string>>;
}

function reaches(graph: Graph, from: string, to: string): boolean {
  const seen = new Set<string>();
  const open = [from];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (id === to) return true;
    if (seen.has(id)) continue;
    seen.add(id);
    open.push(...(graph.edges.get(id) ?? []));
  }
  return false;
}

/** `id` waits for `on`, unless `on` already waits for `id`. */
function depend(graph: Graph, id: string, on: string): void {
  const own = graph.edges.get(id);
  if (own === undefined || !graph.edges.has(on) || id === on || own.has(on) || reaches(graph, on, id)) return;
  own.add(on);
}

const NEEDS_AUTHENTICATION =
  /\b(?:log ?in|log ?out|sign[- ]?(?:in|up|out)|logout|registration|register|password|session|profile|account|permission|role|admin|2fa|mfa|two-factor|token refresh|refresh token|email verification|email confirmation|authoris|authoriz|personal|my )/i;
const AUTHENTICATION_ITSELF = /\b(?:authentication|auth|oauth2?|jwt|sso|saml|identity)\b/i;
const SETS_UP =
  /^(?:set up|setup|initiali[sz]e|scaffold|bootstrap|configure|install|create (?:a |the )?(?:new )?(?:project|repository|skeleton))\b/i;
const GOES_LIVE = /^(?:deploy|release|ship|publish|roll out)\b/i;
const GENERIC = new Set([
  'user',
  'page',
  'test',
  'data',
  'app',
  'application',
  'system',
  'feature',
  'service',
  'api',
  'rest',
  'endpoint',
  'management',
  'fix',
  'write',
  'let',
  'able',
  'form',
  'file',
  'button',
  'code',
  'update',
  'remove',
  'support',
  'set',
  'up',
  'list',
  'new',
]);

interface Known {
  readonly item: RequirementItem;
  readonly words: ReadonlySet<string>;
}

const shares = (a: Known, b: Known): boolean => [...a.words].some((word) => b.words.has(word));
const isTest = ({ item }: Known): boolean => item.type === 'test';
const isDocs = ({ item }: Known): boolean => item.type === 'documentation';
const isLive = ({ item }: Known): boolean => GOES_LIVE.test(item.title);
const isBuilt = (known: Known): boolean => !isTest(known) && !isDocs(known) && !isLive(known);
const isAuthentication = ({ item }: Known): boolean =>
  AUTHENTICATION_ITSELF.test(item.title) && item.type !== 'bugfix' && !/\b(?:page|screen|form)\b/i.test(item.title);
const isApi = ({ item }: Known): boolean => item.type === 'api';

type Rule = (later: Known, earlier: Known, related: boolean) => boolean;
const USES_DATA = new Set(['api', 'feature', 'ui', 'security', 'performance']);
const USES_AUTHENTICATION = new Set(['feature', 'ui', 'security']);

/** Data, then the interface of a service, then what people see; authentication before what needs it. */
const RULES: readonly Rule[] = [
  (later, earlier, related) => earlier.item.type === 'data' && USES_DATA.has(later.item.type) && related,
  (later, earlier) =>
    isAuthentication(earlier) &&
    !isAuthentication(later) &&
    USES_AUTHENTICATION.has(later.item.type) &&
    NEEDS_AUTHENTICATION.test(later.item.title),
  (later, earlier, related) => isApi(earlier) && later.item.type === 'ui' && related,
  (later, earlier) => earlier.item.type === 'feature' && later.item.type === 'ui' && shares(later, earlier),
];

const comesAfter = (later: Known, earlier: Known, alone: boolean): boolean =>
  RULES.some((rule) => rule(later, earlier, alone || shares(later, earlier)));

function addNatural(graph: Graph, known: readonly Known[]): void {
  const built = known.filter(isBuilt);
  for (const later of built) {
    for (const earlier of built) {
      const alone = built.filter(({ item }) => item.type === earlier.item.type).length === 1;
      if (later !== earlier && comesAfter(later, earlier, alone)) depend(graph, later.item.id, earlier.item.id);
    }
  }
  const setup = built.find(
    ({ item }) => SETS_UP.test(item.title) && /\b(?:project|repository|skeleton|monorepo|workspace|app|scaffold)\b/i.test(item.title),
  );
  if (setup !== undefined) for (const { item } of built) depend(graph, item.id, setup.item.id);
}

function addLast(graph: Graph, known: readonly Known[]): void {
  const built = known.filter(isBuilt);
  for (const last of known.filter((one) => isTest(one) || isDocs(one))) {
    const about = built.filter((one) => shares(last, one));
    for (const { item } of about.length > 0 ? about : built) depend(graph, last.item.id, item.id);
  }
  for (const last of known.filter(isLive))
    for (const one of known) if (!isLive(one) && !isDocs(one)) depend(graph, last.item.id, one.item.id);
}

/**
 * Fills in `dependsOn`: what the items already say, then data before interface before screens, authentication before what needs it,
 * tests, documentation and deployment last. Unknown ids and edges that would close a cycle are dropped; the result is acyclic and
 * the same for the same items.
 */
export function identifyDependencies(items: readonly RequirementItem[]): readonly RequirementItem[] {
  const graph: Graph = { edges: new Map(items.map(({ id }) => [id, new Set<string>()])) };
  for (const item of items) for (const on of item.dependsOn) depend(graph, item.id, on);
  const known = items.map((item): Known => ({ item, words: new Set(keywordsOf(item.title).filter((word) => !GENERIC.has(word))) }));
  addNatural(graph, known);
  addLast(graph, known);
  const order = new Map(items.map(({ id }, index) => [id, index]));
  return items.map((item) => ({
    ...item,
    dependsOn: [...(graph.edges.get(item.id) ?? [])].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0)),
  }));
}

/** The same order with fewer edges: drops a dependency that another dependency already implies. */
export function reduceEdges(edges: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, readonly string[]> {
  const graph: Graph = { edges: new Map([...edges].map(([id, on]) => [id, new Set(on)])) };
  return new Map([...edges].map(([id, on]) => [id, on.filter((one) => !on.some((other) => other !== one && reaches(graph, other, one)))]));
}
