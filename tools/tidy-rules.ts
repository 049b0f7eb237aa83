/** A file of the repository as the tidy rules look at it. */
export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Something untidy: where, what, and what to do instead. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly what: string;
  readonly instead: string;
}

export const FILE_LINES_MAX = 400;

const BANNED_FOLDERS = /(?:^|\/)(common|shared|utils?|helpers?|core|base|types|interfaces|managers?|misc)\//;
const BANNED_FILES = /(?:^|\/)(utils?|helpers?|common|misc|types|interfaces|manager)\.(?:spec\.)?tsx?$/;
const KEBAB_CASE = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9-]+)*$/;
// Spelled in halves, so that this file does not contain what it looks for.
const UNFINISHED = new RegExp(
  `\\b(?:${['TO', 'FIX', 'HA', 'XX'].map((half, index) => half + (['DO', 'ME', 'CK', 'X'][index] ?? '')).join('|')})\\b`,
);
const UNFINISHED_TEST = /\b(?:it|test|describe)\.(?:only|skip|todo|failing)\(|\bx(?:it|test|describe)\(|\bf(?:it|describe)\(/;
const DISABLED_TEST = /\.(?:spec|test)[^./]+\.tsx?$|\.(?:spec|test)\.tsx?\.(?!snap$)[^.]+$|\.(?:spec|test)\.(?:off|disabled|old|bak)/;
const TEST_TITLE = /^\s*(?:it|test)\(\s*(['"`])((?:\\.|(?!\1).)*)\1/;
const SPEC = /\.spec\.tsx?$/;
const CODE = /\.(?:tsx?|mjs)$/;

function* linesMatching(file: SourceFile, pattern: RegExp): Generator<{ readonly line: number; readonly match: RegExpExecArray }> {
  for (const [index, text] of file.text.split('\n').entries()) {
    const match = pattern.exec(text);
    if (match !== null) yield { line: index + 1, match };
  }
}

/** Names of folders and files: a noun that says what is inside. */
export function namesOf({ path }: SourceFile): readonly Finding[] {
  const findings: Finding[] = [];
  const folder = BANNED_FOLDERS.exec(path)?.[1];
  if (folder !== undefined) findings.push({ path, line: 1, what: `a folder named ${folder}`, instead: 'a noun that says what is inside' });
  if (BANNED_FILES.test(path)) findings.push({ path, line: 1, what: 'a drawer for anything', instead: 'a noun that says what is inside' });
  const name = path.slice(path.lastIndexOf('/') + 1);
  if (CODE.test(name) && !KEBAB_CASE.test(name.replace(/^\./, ''))) {
    findings.push({ path, line: 1, what: `the file name ${name}`, instead: 'kebab-case' });
  }
  if (DISABLED_TEST.test(name)) findings.push({ path, line: 1, what: 'a test disabled by renaming', instead: 'a test that runs, or none' });
  return findings;
}

/** Size and leftovers of one file of code. */
export function leftoversOf(file: SourceFile): readonly Finding[] {
  const { path, text } = file;
  if (!CODE.test(path)) return [];
  const findings: Finding[] = [];
  const count = text.split('\n').length - 1;
  if (count > FILE_LINES_MAX)
    findings.push({ path, line: FILE_LINES_MAX + 1, what: `${String(count)} lines`, instead: 'two files, each of them one thing' });
  for (const { line, match } of linesMatching(file, UNFINISHED)) {
    findings.push({ path, line, what: `an unfinished place (${match[0]})`, instead: 'the finished thing, or an issue' });
  }
  for (const { line, match } of SPEC.test(path) ? linesMatching(file, UNFINISHED_TEST) : []) {
    findings.push({ path, line, what: `a test that does not run (${match[0]}…)`, instead: 'a test that runs, or none' });
  }
  return findings;
}

/** Two tests of one chapter that read the same hide one another in a report. */
export function repeatedTitlesOf(file: SourceFile): readonly Finding[] {
  if (!SPEC.test(file.path)) return [];
  const findings: Finding[] = [];
  let seen = new Set<string>();
  for (const [index, text] of file.text.split('\n').entries()) {
    if (/^\s*describe\b/.test(text)) seen = new Set();
    const title = TEST_TITLE.exec(text)?.[2];
    if (title === undefined) continue;
    if (seen.has(title))
      findings.push({
        path: file.path,
        line: index + 1,
        what: `the title "${title}" a second time`,
        instead: 'a title that says how it differs',
      });
    seen.add(title);
  }
  return findings;
}

const ENTRY =
  /(?:^|\/)(?:index|main|migrate|openapi|config|global-setup|global-teardown)\.tsx?$|\.(?:spec|d)\.tsx?$|(?:^|\/)tools\/[^/]+\.ts$/;
const IMPORT = /(?:from\s*|import\s*\(?\s*|new URL\(\s*|resolve\(\s*)['"](\.{1,2}\/[^'"]+)['"]/g;

/** Where a relative import of a file leads, without its extension. */
function targetOf(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/').replace(/\.(?:js|ts|tsx|mjs)$/, '');
}

/** Sources that nothing reaches: neither an entry nor imported by another file. One that only its own spec imports is dead as well. */
export function deadFilesIn(files: readonly SourceFile[]): readonly Finding[] {
  const reached = new Set<string>();
  for (const { path, text } of files) {
    for (const [, specifier] of text.matchAll(IMPORT)) {
      const target = targetOf(path, specifier ?? '');
      if (!isSpecOf(path, target)) reached.add(target);
    }
  }
  return files
    .filter(({ path }) => /\/src\/.*\.tsx?$/.test(path) && !ENTRY.test(path) && !reached.has(path.replace(/\.tsx?$/, '')))
    .map(({ path }) => ({ path, line: 1, what: 'a file that nothing imports', instead: 'delete it, or use it' }));
}

const isSpecOf = (path: string, target: string): boolean => SPEC.test(path) && path.startsWith(`${target}.`);

/** Every rule over every file, in the order of the files. */
export function untidyIn(files: readonly SourceFile[]): readonly Finding[] {
  const single = files.flatMap((file) => [...namesOf(file), ...leftoversOf(file), ...repeatedTitlesOf(file)]);
  return [...single, ...deadFilesIn(files)].sort((a, b) => a.path.localeCompare(b.path) || a.line - b.line);
}
