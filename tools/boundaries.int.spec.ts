import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { expectationsUnder } from './expectations.js';

const FIXTURES = resolve('tools/fixtures/boundaries');
const expectations = expectationsUnder(FIXTURES);
const broken = new Map<string, Set<string>>();

interface CruiseResult {
  readonly modules: readonly { readonly source: string }[];
  readonly summary: { readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[] };
}

/** The names of a rule set's rules, and the edges it allows. */
interface Rules {
  readonly EDGES: Readonly<Record<string, readonly string[]>>;
  readonly default: { readonly forbidden: readonly { readonly name: string }[] };
}

async function cruise(): Promise<CruiseResult> {
  const command = ['node_modules/dependency-cruiser/bin/dependency-cruise.mjs', '--config', '.dependency-cruiser.mjs', '--no-cache'];
  const run = promisify(execFile)(process.execPath, [...command, '--output-type', 'json', relative('.', FIXTURES)], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const { stdout } = await run.catch((fault: { readonly stdout: string }) => fault);
  return JSON.parse(stdout) as CruiseResult;
}

describe('the edges between projects', () => {
  let rules: Rules;

  beforeAll(async () => {
    rules = (await import(pathToFileURL(resolve('.dependency-cruiser.mjs')).href)) as Rules;
    const { modules, summary } = await cruise();
    for (const { source } of modules) broken.set(resolve(source), new Set());
    for (const { from, rule } of summary.violations) broken.get(resolve(from))?.add(rule.name);
  }, 120_000);

  it.each(
    [...expectations].map(([path, wanted]) => ({ path, wanted, name: relative(FIXTURES, path), list: wanted.join(', ') || 'nothing' })),
  )('$name breaks $list', ({ path, wanted }) => {
    expect([...(broken.get(path) ?? ['was not looked at'])].sort()).toEqual(wanted);
  });

  it('are proven by a wrong import for every rule', () => {
    const proven = new Set([...expectations.values()].flat());
    expect(rules.default.forbidden.map(({ name }) => name).filter((name) => !proven.has(name))).toEqual([]);
  });

  it('are the ones that each package asks for', () => {
    for (const [project, allowed] of Object.entries(rules.EDGES)) {
      const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { dependencies?: Record<string, string> };
      const asked = Object.keys(manifest.dependencies ?? {}).filter((name) => name.startsWith('@taskmaster/'));
      const permitted = allowed.map((path) => `@taskmaster/${path.split('/')[1] ?? ''}`);
      expect({ project, beyond: asked.filter((name) => !permitted.includes(name)) }).toEqual({ project, beyond: [] });
    }
  });
});
