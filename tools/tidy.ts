// Turns taste into a failing check: `node tools/dist/tidy.js`. Prints `file:line: what, use what instead`.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { untidyIn, type SourceFile } from './tidy-rules.js';

const LOOKED_AT = /^(?:apps|libs|tests|tools|examples)\/|^[^/]+\.(?:mjs|ts)$/;
const PASSED_OVER = /^tools\/fixtures\//;

function trackedFiles(): readonly SourceFile[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return listed
    .split('\0')
    .filter((path) => LOOKED_AT.test(path) && !PASSED_OVER.test(path) && existsSync(path))
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}

const files = trackedFiles();
const findings = untidyIn(files);
for (const { path, line, what, instead } of findings) process.stdout.write(`${path}:${String(line)}: ${what}, use ${instead}\n`);
process.stdout.write(`tidy: ${String(files.length)} files, ${String(findings.length)} findings\n`);
process.exitCode = findings.length === 0 ? 0 : 1;
