import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import ts from 'typescript';
import { exampleOf, shapeOf } from './type-shapes.js';

const CONTRACTS = 'libs/contracts';
const EVENTS = `${CONTRACTS}/src/events.ts`;

/** The unions whose members are the events of one kind of stream. */
const AGGREGATES = [
  { union: 'WorkflowLifecycleEvent', title: 'Workflow', category: 'workflow' },
  { union: 'StepEvent', title: 'Step', category: 'workflow' },
  { union: 'AgentEvent', title: 'Agent', category: 'agent' },
  { union: 'AccessEvent', title: 'Access', category: 'access' },
] as const;

/** What the contracts say about who is told; read from the built package, so that the page cannot disagree with the code. */
export interface Topology {
  readonly notices: readonly string[];
  readonly consumers: readonly { readonly name: string; readonly group: string }[];
  readonly versionOf: (type: string) => number;
}

interface EventEntry {
  readonly type: string;
  readonly data: ts.TypeNode;
}

interface Contracts {
  readonly checker: ts.TypeChecker;
  readonly source: ts.SourceFile;
  /** Every file of the contracts that the events reach. */
  readonly sources: readonly ts.SourceFile[];
}

function contracts(): Contracts {
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    target: ts.ScriptTarget.ES2023,
  };
  const built = ts.createProgram([resolve(EVENTS)], { ...options, exactOptionalPropertyTypes: true, types: [] });
  const source = built.getSourceFile(resolve(EVENTS));
  if (source === undefined) throw new Error(`${EVENTS} could not be read`);
  const sources = built.getSourceFiles().filter(({ fileName }) => fileName.includes(`${CONTRACTS}/src/`));
  return { checker: built.getTypeChecker(), source, sources };
}

/** The members `Message<'Name', Data>` of a union, in the order in which they are written. */
function eventsOf(source: ts.SourceFile, union: string): readonly EventEntry[] {
  const alias = source.statements.find((statement) => ts.isTypeAliasDeclaration(statement) && statement.name.text === union);
  if (alias === undefined || !ts.isTypeAliasDeclaration(alias)) throw new Error(`${EVENTS} has no union ${union}`);
  const members = ts.isUnionTypeNode(alias.type) ? alias.type.types : [alias.type];
  return members.map((member) => {
    const [name, data] = ts.isTypeReferenceNode(member) ? (member.typeArguments ?? []) : [];
    if (name === undefined || data === undefined || !ts.isLiteralTypeNode(name) || !ts.isStringLiteral(name.literal)) {
      throw new Error(`${union} has a member that is no Message`);
    }
    return { type: name.literal.text, data };
  });
}

interface Golden {
  readonly schemaVersion: number;
  readonly facts: readonly { readonly type: string; readonly data: unknown }[];
}

/** The first stored fact of each type and version: what was published, and is folded by the specs for ever. */
function storedExamples(): ReadonlyMap<string, unknown> {
  const folder = join(CONTRACTS, 'golden');
  const found = new Map<string, unknown>();
  for (const name of existsSync(folder) ? readdirSync(folder).sort() : []) {
    const { schemaVersion, facts } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Golden;
    for (const { type, data } of facts) {
      const key = `${type}.${String(schemaVersion)}`;
      if (!found.has(key)) found.set(key, data);
    }
  }
  return found;
}

function consumersOf(type: string, topology: Topology): string {
  const told = topology.notices.includes(type) ? topology.consumers.map(({ name, group }) => `\`${name}\` (\`tm.work.${group}\`)`) : [];
  return [...told, 'live feed (`tm.feed`)'].join(', ');
}

interface ChapterContext {
  readonly checker: ts.TypeChecker;
  readonly category: string;
  readonly topology: Topology;
  readonly examples: ReadonlyMap<string, unknown>;
}

function chapter(type: string, data: ts.TypeNode, context: ChapterContext): string {
  const { checker, category, topology } = context;
  const version = topology.versionOf(type);
  const dataType = checker.getTypeFromTypeNode(data);
  const example = context.examples.get(`${type}.${String(version)}`) ?? exampleOf(dataType, checker, type);
  return [
    `### ${type}`,
    '',
    `Version ${String(version)} · stream \`${category}-…\` · told to: ${consumersOf(type, topology)}`,
    '',
    '```ts',
    shapeOf(dataType, checker),
    '```',
    '',
    '```json',
    JSON.stringify(example, null, 2),
    '```',
    '',
  ].join('\n');
}

/** The named types that a text mentions, and those that they mention, in the order in which they are met; brands of text are left out. */
function partsOf(texts: readonly string[], declarations: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const parts = new Map<string, string>();
  const waiting = [...texts];
  for (let text = waiting.shift(); text !== undefined; text = waiting.shift()) {
    for (const [name] of text.matchAll(/\b[A-Z][A-Za-z]+\b/g)) {
      const declaration = declarations.get(name);
      if (declaration === undefined || parts.has(name)) continue;
      parts.set(name, declaration);
      waiting.push(declaration);
    }
  }
  return parts;
}

/** Every interface and alias of the contracts' sources by name, as it is written there. */
function declarationsIn(sources: readonly ts.SourceFile[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const source of sources) {
    for (const statement of source.statements) {
      if (!ts.isInterfaceDeclaration(statement) && !ts.isTypeAliasDeclaration(statement)) continue;
      const text = statement
        .getText(source)
        .replace(/^export /, '')
        .replaceAll('readonly ', '');
      if (!/Brand<|\(typeof /.test(text)) found.set(statement.name.text, text);
    }
  }
  return found;
}

/** docs/events.md: every event with its version, stream, listeners, shape and an example. */
export function eventsDocument(topology: Topology): string {
  const { checker, source, sources } = contracts();
  const examples = storedExamples();
  const groups = AGGREGATES.map((aggregate) => ({ ...aggregate, events: eventsOf(source, aggregate.union) }));
  const overview = groups.flatMap(({ category, events }) =>
    events.map(
      ({ type }) =>
        `| [${type}](#${type.toLowerCase()}) | ${String(topology.versionOf(type))} | \`${category}-…\` | ${consumersOf(type, topology)} |`,
    ),
  );
  const chapters = groups.map(({ title, category, events }) =>
    [`## ${title} events`, '', ...events.map(({ type, data }) => chapter(type, data, { checker, category, topology, examples }))].join(
      '\n',
    ),
  );
  const parts = partsOf(
    groups.flatMap(({ events }) => events.map(({ data }) => data.getText(source))),
    declarationsIn(sources),
  );
  return [
    '# Events',
    '',
    '<!-- Generated from libs/contracts by `npm run generate`. -->',
    '',
    'Every fact of the log. `state-service` alone appends, after its rules (`libs/workflow`) have decided; everybody else is told. Events never change:',
    'an optional field is compatible, anything else is a new version with an upcaster. Whoever is told by a notice answers with a command; the live feed',
    'is for people and nothing depends on it. Examples without a stored original are made from the types.',
    '',
    '| event | version | stream | told to |',
    '|---|---|---|---|',
    ...overview,
    '',
    ...chapters,
    '## Parts of events',
    '',
    '```ts',
    [...parts.values()].join('\n\n'),
    '```',
    '',
  ].join('\n');
}
