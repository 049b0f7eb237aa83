import { posix } from 'node:path';
import { isOwn } from './language.js';
import type { Worktree } from './worktree.js';

const FRAMEWORKS = ['vitest', 'bun:test', '@jest/globals', 'ava', 'tape', 'node:test', 'mocha', 'jasmine', 'jest'] as const;
export type Framework = (typeof FRAMEWORKS)[number];

/** Where a new test goes and what it looks like, so that the repository's own test command finds it. */
export interface TestPlace {
  readonly packageFolder: string;
  readonly folder: string;
  /** `test-` where the names of the repository's tests start so. */
  readonly prefix: string;
  /** Everything after the name: `.test.js`, `.spec.ts`, `.js` in a test folder. */
  readonly suffix: string;
  readonly framework: Framework;
  readonly typescript: boolean;
  readonly commonjs: boolean;
  readonly moduleExtension: string;
  /** What relative imports end in: `.js`, `.ts` or nothing. */
  readonly importExtension: string;
}

interface Manifest {
  readonly type?: unknown;
  readonly scripts?: { readonly test?: unknown };
  readonly devDependencies?: Readonly<Record<string, unknown>>;
}

const NAMED_TEST = /[.\-_](test|spec)\.[cm]?[jt]sx?$/;
const FOLDER_TEST = /(^|\/)(tests?|__tests__|spec)\/[^/]+\.[cm]?[jt]sx?$/;
const SCRIPT_GLOB = /--test\b(?:\s+--?\S+)*\s+["']?([^\s"'-][^\s"']*)/;

/** Learns the place from the test that is nearest to the top, else from the test script, else from what Node does by itself. */
export async function findPlace(worktree: Worktree): Promise<TestPlace> {
  const root = await manifestOf(worktree, 'package.json');
  const script = typeof root.scripts?.test === 'string' ? root.scripts.test : '';
  const model = modelTest(worktree, globFolder(script));
  const text = model === undefined ? '' : ((await worktree.read(model)) ?? '');
  const shape = model === undefined ? shapeOfScript(script) : shapeOfModel(model);
  const packageFolder = packageFolderOf(worktree, shape.folder);
  const manifest = await manifestOf(worktree, posix.join(packageFolder, 'package.json'));
  const typescript = /\.[cm]?tsx?$/.test(shape.suffix);
  const extension = posix.extname(shape.suffix);
  const moduleExtension = extension.replace(/x$/, '');
  return {
    ...shape,
    packageFolder,
    typescript,
    moduleExtension,
    framework: frameworkOf(text, script, manifest),
    commonjs: isCommonjs({ extension, typescript, text, manifest }),
    importExtension: importExtensionOf(text, typescript, moduleExtension),
  };
}

async function manifestOf(worktree: Worktree, path: string): Promise<Manifest> {
  try {
    return JSON.parse((await worktree.read(path)) ?? '{}') as Manifest;
  } catch {
    return {};
  }
}

/** The existing test that a new one should look like: inside the script's folder if it names one, then shallowest, then by name. */
function modelTest(worktree: Worktree, folder: string | undefined): string | undefined {
  const tests = worktree.files.filter(
    (file) =>
      (NAMED_TEST.test(file) || FOLDER_TEST.test(file)) &&
      !isOwn(file) &&
      !/(fixtures?|e2e|helpers?|node_modules|setup|\.d\.ts)/.test(file),
  );
  const near = folder === undefined ? tests : tests.filter((file) => folder === '.' || file.startsWith(`${folder}/`));
  const rank = (file: string): number => (NAMED_TEST.test(file) ? 0 : 100) + file.split('/').length;
  return [...near].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1))[0];
}

interface Shape {
  readonly folder: string;
  readonly prefix: string;
  readonly suffix: string;
}

function shapeOfModel(model: string): Shape {
  const name = posix.basename(model);
  const suffix = NAMED_TEST.exec(name)?.[0] ?? posix.extname(name);
  return { folder: posix.dirname(model), prefix: /^test[-_]/.exec(name)?.[0] ?? '', suffix };
}

/** `node --test "src/**\/*.spec.js"` names a folder and an ending; anything else is Node's default place. */
function shapeOfScript(script: string): Shape {
  const glob = SCRIPT_GLOB.exec(script)?.[1];
  const folder = globFolder(script);
  const ending = glob === undefined ? undefined : /\*(\.[a-z.{},]+)$/.exec(glob)?.[1]?.replace(/\{([^,}]*)[^}]*\}/g, '$1');
  if (folder !== undefined) return { folder, prefix: '', suffix: ending ?? '.test.js' };
  return { folder: 'test', prefix: '', suffix: '.test.js' };
}

function globFolder(script: string): string | undefined {
  const glob = SCRIPT_GLOB.exec(script)?.[1];
  if (glob === undefined) return undefined;
  const fixed = glob.split('/').filter((_part, index, parts) => !parts.slice(0, index + 1).some((part) => /[*?{[]/.test(part)));
  const folder = posix.normalize(fixed.join('/') || '.').replace(/\/$/, '');
  return /\.[cm]?[jt]sx?$/.test(folder) || folder.startsWith('..') || folder.startsWith('/') ? undefined : folder;
}

function packageFolderOf(worktree: Worktree, folder: string): string {
  for (let at = folder; ; at = posix.dirname(at)) {
    if (at === '.' || worktree.files.includes(posix.join(at, 'package.json'))) return at;
  }
}

function frameworkOf(text: string, script: string, manifest: Manifest): Framework {
  const imported = FRAMEWORKS.find((name) => text.includes(`'${name}'`) || text.includes(`"${name}"`));
  if (imported !== undefined) return imported;
  if (/node\b.*--test\b/.test(script) && !script.includes('jest')) return 'node:test';
  if (script.includes('react-scripts test')) return 'jest';
  if (script.includes('bun test')) return 'bun:test';
  const named = FRAMEWORKS.find((name) => new RegExp(`\\b${name}\\b`).test(script));
  return named ?? FRAMEWORKS.find((name) => manifest.devDependencies?.[name] !== undefined) ?? 'node:test';
}

function isCommonjs(it: {
  readonly extension: string;
  readonly typescript: boolean;
  readonly text: string;
  readonly manifest: Manifest;
}): boolean {
  if (it.extension.startsWith('.m') || it.typescript) return false;
  if (it.extension.startsWith('.c')) return true;
  if (/^import\s/m.test(it.text)) return false;
  return it.manifest.type !== 'module';
}

function importExtensionOf(text: string, typescript: boolean, moduleExtension: string): string {
  if (!typescript) return moduleExtension;
  const way = /from\s+['"]\.{1,2}\/[^'"]*['"]/.exec(text)?.[0];
  if (way === undefined) return text === '' ? '.ts' : '';
  return /\.(ts|mts|js|mjs)['"]$/.exec(way)?.[0].slice(0, -1) ?? '';
}
