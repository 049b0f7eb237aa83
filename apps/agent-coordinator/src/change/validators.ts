import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ValidationCommand } from '@taskmaster/contracts';

/** Validators that one repository may declare. */
export const VALIDATORS_MAX = 20;
const INSTALL_TIMEOUT_MS = 10 * 60_000;

/** How a checkout wants to be proven: what must run first, and the commands that decide. */
export interface ValidationPlan {
  readonly prepare: readonly ValidationCommand[];
  readonly checks: readonly ValidationCommand[];
  /** Where the commands come from, for people. */
  readonly source: string;
}

/** Commands given with the workflow win; then `.taskmaster.json`; then what the repository's own files say. */
export async function planValidation(dir: string, given: readonly ValidationCommand[]): Promise<ValidationPlan> {
  if (given.length > 0) return { prepare: await installOf(dir), checks: given, source: 'workflow' };
  const declared = await declaredIn(dir);
  if (declared) return { prepare: await installOf(dir), checks: declared, source: '.taskmaster.json' };
  const found: ValidationCommand[] = [];
  for (const detect of DETECTORS) {
    const check = await detect(dir);
    if (check) found.push(check);
  }
  const make = found.length === 0 ? await makeTest(dir) : undefined;
  return { prepare: await installOf(dir), checks: make ? [make] : found, source: 'repository' };
}

type Detector = (dir: string) => Promise<ValidationCommand | undefined>;

const has = (dir: string, ...names: readonly string[]): boolean => names.some((name) => existsSync(join(dir, name)));
const textOf = (dir: string, name: string): Promise<string> => readFile(join(dir, name), 'utf8').catch(() => '');

async function jsonOf(dir: string, name: string): Promise<Record<string, unknown> | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(dir, name), 'utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

const whenPresent =
  (names: readonly string[], name: string, command: readonly string[]): Detector =>
  (dir) =>
    Promise.resolve(has(dir, ...names) ? { name, command } : undefined);

const npmTest: Detector = async (dir) => {
  const scripts = (await jsonOf(dir, 'package.json'))?.['scripts'];
  if (typeof scripts !== 'object' || scripts === null) return undefined;
  const { test, pretest, posttest } = scripts as Record<string, unknown>;
  if (typeof test !== 'string' || test.includes('no test specified')) return undefined;
  // A script that is plainly one node command means the same without npm around it, and starts a quarter of a second sooner.
  const plain = /^node(?: [A-Za-z0-9_./=@:-]+)*$/.test(test.trim()) && pretest === undefined && posttest === undefined;
  return { name: 'npm test', command: plain ? test.trim().split(/ +/) : ['npm', 'test', '--silent'] };
};

const pythonTest: Detector = async (dir) => {
  const names = [
    ...(await readdir(dir).catch(() => [])),
    ...(await readdir(join(dir, 'tests')).catch(() => [])),
    ...(await readdir(join(dir, 'test')).catch(() => [])),
  ];
  const configured =
    has(dir, 'pytest.ini', 'conftest.py') ||
    /\[tool\.pytest|\[tool:pytest/.test(`${await textOf(dir, 'pyproject.toml')}${await textOf(dir, 'setup.cfg')}`);
  if (!configured && !names.some((name) => /^test_.*\.py$|_test\.py$/.test(name))) return undefined;
  return { name: 'python tests', command: ['python3', '-c', PYTHON_RUNNER] };
};

// pytest where it is installed, else what Python itself brings. Exit 5 of unittest (3.12 and newer) says that there was no test.
const PYTHON_RUNNER = [
  'import importlib.util, os, sys',
  "runner = ['pytest', '-q'] if importlib.util.find_spec('pytest') else ['unittest', 'discover', '-s', 'tests' if os.path.isdir('tests') else '.', '-t', '.']",
  "os.execv(sys.executable, [sys.executable, '-m', *runner])",
].join('\n');

const gradleTest: Detector = (dir) =>
  Promise.resolve(
    has(dir, 'build.gradle', 'build.gradle.kts')
      ? { name: 'gradle test', command: [has(dir, 'gradlew') ? './gradlew' : 'gradle', 'test'] }
      : undefined,
  );

async function makeTest(dir: string): Promise<ValidationCommand | undefined> {
  return /^test\s*:/m.test(await textOf(dir, 'Makefile')) ? { name: 'make test', command: ['make', 'test'] } : undefined;
}

const DETECTORS: readonly Detector[] = [
  npmTest,
  pythonTest,
  whenPresent(['go.mod'], 'go test', ['go', 'test', './...']),
  whenPresent(['Cargo.toml'], 'cargo test', ['cargo', 'test']),
  whenPresent(['mix.exs'], 'mix test', ['mix', 'test']),
  whenPresent(['pom.xml'], 'mvn test', ['mvn', '-q', 'test']),
  gradleTest,
];

async function declaredIn(dir: string): Promise<readonly ValidationCommand[] | undefined> {
  const declared = (await jsonOf(dir, '.taskmaster.json'))?.['validate'];
  if (!Array.isArray(declared)) return undefined;
  return declared.slice(0, VALIDATORS_MAX).flatMap((entry: unknown) => parseValidator(entry) ?? []);
}

const isCommand = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((part) => typeof part === 'string');

function parseValidator(entry: unknown): ValidationCommand | undefined {
  if (isCommand(entry)) return { name: entry.join(' ').slice(0, 80), command: entry };
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { name, command, timeoutMs } = entry as Record<string, unknown>;
  if (!isCommand(command)) return undefined;
  return {
    name: typeof name === 'string' ? name : command.join(' ').slice(0, 80),
    command,
    ...(typeof timeoutMs === 'number' && timeoutMs > 0 ? { timeoutMs } : {}),
  };
}

async function installOf(dir: string): Promise<readonly ValidationCommand[]> {
  const manifest = await jsonOf(dir, 'package.json');
  const declares = (key: string): boolean => Object.keys((manifest?.[key] as object | undefined) ?? {}).length > 0;
  if (!manifest || has(dir, 'node_modules') || !(declares('dependencies') || declares('devDependencies'))) return [];
  const command = has(dir, 'package-lock.json', 'npm-shrinkwrap.json')
    ? ['npm', 'ci', '--no-audit', '--no-fund']
    : ['npm', 'install', '--no-audit', '--no-fund', '--no-package-lock'];
  return [{ name: 'npm ci', command, timeoutMs: INSTALL_TIMEOUT_MS }];
}
