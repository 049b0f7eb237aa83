// `npm run generate`: the documents that are made from the code. CI fails when they differ from what is committed.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  configurationDocument,
  environmentExample,
  type ServiceConfiguration,
  type VariableDescription,
} from './configuration-document.js';
import { eventsDocument } from './events-document.js';
import { reliabilityDocument, type ReliabilityResult } from './reliability-document.js';

interface Contracts {
  readonly NOTICE_EVENT_TYPES: readonly string[];
  readonly CONSUMERS: readonly { readonly name: string; readonly group: string }[];
  readonly schemaVersionOf: (type: string) => number;
}

interface Definition {
  readonly service: string;
  readonly variables: object;
}

interface ServiceKit {
  readonly describeConfig: (definition: Definition) => readonly VariableDescription[];
}

const load = async <T>(path: string): Promise<T> => (await import(pathToFileURL(resolve(path)).href)) as T;

const isDefinition = (value: unknown): value is Definition =>
  typeof value === 'object' && value !== null && 'service' in value && 'variables' in value;

/** What `apps/<name>/src/config.ts` defines, for every app that defines variables there. */
async function configurations(): Promise<readonly ServiceConfiguration[]> {
  const { describeConfig } = await load<ServiceKit>('libs/service-kit/dist/index.js');
  const found: ServiceConfiguration[] = [];
  for (const app of readdirSync('apps').sort()) {
    const path = join('apps', app, 'dist', 'config.js');
    if (!existsSync(path)) continue;
    const definitions = Object.values(await load<Record<string, unknown>>(path)).filter(isDefinition);
    found.push(...definitions.map((definition) => ({ service: definition.service, variables: describeConfig(definition) })));
  }
  return found;
}

const MEASURED = join('docs', 'results', 'performance');

/** Every figure of it comes from the files that the measurements wrote. */
async function performancePage(): Promise<string> {
  const { performanceDocument } = await load<{ readonly performanceDocument: (results: unknown) => string }>(
    'tests/dist/performance/document/performance-document.js',
  );
  const files = existsSync(MEASURED) ? readdirSync(MEASURED).filter((name) => name.endsWith('.json')) : [];
  const results = files.map((name) => [name.replace(/\.json$/, ''), JSON.parse(readFileSync(join(MEASURED, name), 'utf8')) as unknown]);
  return performanceDocument(Object.fromEntries(results));
}

/** The gateway prints its API document itself, from its routes and rules, without starting. */
const openApiDocument = (): string =>
  execFileSync(process.execPath, [join('apps', 'gateway', 'dist', 'openapi.js')], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });

/** The result files of a folder of docs/results, by name. */
function resultsIn<Result>(folder: string): readonly Result[] {
  const place = join('docs', 'results', folder);
  if (!existsSync(place)) return [];
  const files = readdirSync(place).filter((name) => name.endsWith('.json'));
  return files.sort().map((name) => JSON.parse(readFileSync(join(place, name), 'utf8')) as Result);
}

const contracts = await load<Contracts>('libs/contracts/dist/index.js');
const services = await configurations();
mkdirSync('docs', { recursive: true });
const topology = { notices: contracts.NOTICE_EVENT_TYPES, consumers: contracts.CONSUMERS, versionOf: contracts.schemaVersionOf };
writeFileSync(join('docs', 'events.md'), eventsDocument(topology));
writeFileSync(join('docs', 'configuration.md'), configurationDocument(services));
writeFileSync('.env.example', environmentExample(services));
writeFileSync(join('docs', 'openapi.json'), openApiDocument());
writeFileSync(join('docs', 'reliability.md'), reliabilityDocument(resultsIn<ReliabilityResult>('reliability')));
writeFileSync(join('docs', 'performance.md'), await performancePage());
