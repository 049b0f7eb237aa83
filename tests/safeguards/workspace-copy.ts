import { cp, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import ts from 'typescript';
import type { Edit } from './catalogue.js';

const PARTS = ['libs', 'apps', 'tests', 'tools', 'package.json', 'tsconfig.base.json', 'jest.config.mjs'];
const LEFT_OUT = /\/(?:node_modules|out-tsc|fixtures)$/;
const OURS = '@taskmaster';

/** Copies the built workspace. Packages are linked; our own are linked to the copy, so that nothing of the original is ever run. */
export async function copyWorkspace(root: string, into: string): Promise<void> {
  // Versions of packages that only one part of the workspace has.
  const own: string[] = [];
  for (const part of PARTS) {
    await cp(join(root, part), join(into, part), {
      recursive: true,
      preserveTimestamps: true,
      filter: (path) => {
        if (path.endsWith('/node_modules')) own.push(path);
        return !LEFT_OUT.test(path);
      },
    });
  }
  for (const path of own) await symlink(path, join(into, relative(root, path)));
  const [from, modules] = [join(root, 'node_modules'), join(into, 'node_modules')];
  await mkdir(join(modules, OURS), { recursive: true });
  const packages = (await readdir(from)).filter((name) => name !== OURS && !name.startsWith('.'));
  await Promise.all(packages.map((name) => symlink(join(from, name), join(modules, name))));
  for (const name of await readdir(join(from, OURS))) {
    await symlink(resolve(modules, OURS, await readlink(join(from, OURS, name))), join(modules, OURS, name));
  }
}

/** The text of a file after an edit. @throws Error unless the edit's text is there exactly once */
export function edited(content: string, { file, text, replacement }: Edit): string {
  const [before, after, ...more] = content.split(text);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error(`${file} does not hold this text exactly once: ${text}`);
  }
  return before + replacement + after;
}

/** Applies edits to the sources of a copy and to what was built from them. @returns what takes them back */
export async function applyEdits(copy: string, edits: readonly Edit[]): Promise<() => Promise<void>> {
  const originals = new Map<string, string>();
  const write = async (path: string, content: string): Promise<void> => {
    if (!originals.has(path)) originals.set(path, await readFile(path, 'utf8'));
    await writeFile(path, content);
  };
  for (const edit of edits) {
    const source = join(copy, edit.file);
    const content = edited(await readFile(source, 'utf8'), edit);
    await write(source, content);
    if (source.endsWith('.ts')) await write(source.replace('/src/', '/dist/').replace(/\.ts$/, '.js'), transpiled(content));
  }
  return async () => {
    for (const [path, content] of originals) await writeFile(path, content);
  };
}

/** Types are not looked at: what is left over by an edit is no fault. */
const transpiled = (source: string): string =>
  ts.transpileModule(source, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      useDefineForClassFields: false,
    },
  }).outputText;
