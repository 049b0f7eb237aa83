import { isJsonObject, type Json, type JsonObject } from '@taskmaster/contracts';
import { keywordsOf } from './clauses.js';

/** What was promised. */
export interface CheckedTask {
  readonly title: string;
  readonly acceptanceCriteria?: readonly string[];
}

/** One promise and what shows that it was kept. */
export interface Finding {
  readonly criterion: string;
  readonly proven: boolean;
  /** What proves it, or why nothing does. */
  readonly evidence: string;
}

export interface Completion {
  /** True only when every criterion is proven by something we observed. */
  readonly complete: boolean;
  readonly findings: readonly Finding[];
  readonly unproven: readonly string[];
}

interface Evidence {
  readonly files: readonly string[];
  readonly commit: string | undefined;
  readonly checks: readonly { readonly name: string; readonly passed: boolean }[];
  readonly simulated: boolean;
}

const textsOf = (value: Json | undefined): readonly string[] =>
  Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string').slice(0, 2_000) : [];

function evidenceOf(result: JsonObject): Evidence {
  const checks = (Array.isArray(result['checks']) ? (result['checks'] as readonly Json[]) : [])
    .filter(isJsonObject)
    .slice(0, 200)
    .map((check) => ({ name: typeof check['name'] === 'string' ? check['name'] : 'check', passed: check['passed'] === true }));
  const exit = result['exitCode'];
  return {
    files: textsOf(result['files']),
    commit: typeof result['commit'] === 'string' && /^[0-9a-f]{7,64}$/.test(result['commit']) ? result['commit'] : undefined,
    checks: typeof exit === 'number' ? [...checks, { name: 'command', passed: exit === 0 }] : checks,
    simulated: result['simulated'] === true,
  };
}

const isTestFile = (file: string): boolean =>
  /(?:^|\/)(?:tests?|specs?|__tests__)\/|[._-](?:test|spec)\.|(?:^|\/)test_|_test\.\w+$/i.test(file);
const isDocument = (file: string): boolean => /\.(?:md|mdx|rst|adoc|txt)$|(?:^|\/)docs?\//i.test(file);
const ABOUT_TESTS = /\b(?:tests?|tested|spec|specs|covered|coverage|reproduces|suite)\b/i;
const ABOUT_DOCUMENTS = /\b(?:document\w*|readme|changelog|guide)\b/i;
const ABOUT_MEASURES = /\b(?:\d+\s?(?:ms|s|%|seconds?|mb|gb|kb|rps)|measure\w*|latency|faster|performance)\b/i;

function findCriterion(criterion: string, evidence: Evidence): Finding {
  const not = (why: string): Finding => ({ criterion, proven: false, evidence: why });
  const failed = evidence.checks.filter(({ passed }) => !passed);
  if (failed.length > 0) return not(`A check failed: ${failed.map(({ name }) => name).join(', ')}.`);
  if (evidence.simulated) return not('The work is SIMULATED; it does not implement the criterion.');
  if (ABOUT_MEASURES.test(criterion)) return findNamed(criterion, evidence, 'Nothing measured it.');
  if (ABOUT_TESTS.test(criterion)) return findTests(criterion, evidence);
  if (ABOUT_DOCUMENTS.test(criterion)) {
    const documents = evidence.files.filter(isDocument);
    return documents.length > 0
      ? { criterion, proven: true, evidence: `Documentation changed: ${documents.slice(0, 3).join(', ')}.` }
      : not('No documentation was changed.');
  }
  return findNamed(criterion, evidence, 'No check and no test names it.');
}

function findTests(criterion: string, evidence: Evidence): Finding {
  const tests = evidence.files.filter(isTestFile);
  const ran = evidence.checks.filter(({ passed, name }) => passed && /test|spec|command|check|ci/i.test(name));
  if (tests.length === 0) return { criterion, proven: false, evidence: 'No test file was changed.' };
  if (ran.length === 0)
    return { criterion, proven: false, evidence: `Tests changed (${tests.slice(0, 3).join(', ')}), but no run of them was observed.` };
  return { criterion, proven: true, evidence: `${ran.map(({ name }) => name).join(', ')} passed with ${tests.slice(0, 3).join(', ')}.` };
}

/** A criterion of its own needs a passing check, or a test run and a test file, that names what it is about. */
function findNamed(criterion: string, evidence: Evidence, why: string): Finding {
  const wanted = keywordsOf(criterion);
  const names = (text: string): boolean =>
    keywordsOf(text.replace(/[^A-Za-z0-9]+/g, ' ')).some((word) => word.length > 3 && wanted.includes(word));
  const check = evidence.checks.find(({ passed, name }) => passed && names(name));
  if (check !== undefined) return { criterion, proven: true, evidence: `${check.name} passed.` };
  const test = evidence.files.find((file) => isTestFile(file) && names(file));
  const passed = evidence.checks.find((one) => one.passed && /test|spec|command|ci/i.test(one.name));
  if (test !== undefined && passed !== undefined) return { criterion, proven: true, evidence: `${passed.name} passed with ${test}.` };
  return { criterion, proven: false, evidence: why };
}

/**
 * Looks at what a step left behind (`commit`, `files`, `checks`, `exitCode`, `simulated`) and says which criteria it proves. A worker's
 * own summary proves nothing. Reads names, not code: what it calls proven was observed, what it calls unproven may still be true.
 */
export function validateCompletion(task: CheckedTask, result: JsonObject): Completion {
  const evidence = evidenceOf(result);
  const changed: Finding =
    evidence.commit !== undefined && evidence.files.length > 0
      ? {
          criterion: `A change for "${task.title}" exists.`,
          proven: true,
          evidence: `Commit ${evidence.commit.slice(0, 12)} changes ${String(evidence.files.length)} file${evidence.files.length === 1 ? '' : 's'}.`,
        }
      : { criterion: `A change for "${task.title}" exists.`, proven: false, evidence: 'No commit with changed files was recorded.' };
  const findings = [changed, ...(task.acceptanceCriteria ?? []).slice(0, 100).map((criterion) => findCriterion(criterion, evidence))];
  const unproven = findings.filter(({ proven }) => !proven).map(({ criterion }) => criterion);
  return { complete: unproven.length === 0, findings, unproven };
}
