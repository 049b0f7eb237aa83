import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What became of one test. */
export interface TestOutcome {
  readonly title: string;
  readonly status: string;
  readonly messages: string;
}

export interface TestRun {
  /** The jest of the original. */
  readonly jest: string;
  /** The workspace to run in. */
  readonly copy: string;
  readonly specs: readonly string[];
  readonly titles: readonly string[];
  /** Servers of its own, because what was changed is in the database. */
  readonly ownServers: boolean;
  readonly signal: AbortSignal;
}

const RUN_MS_MAX = 180_000;
const CONFIG = 'jest.shared-servers.mjs';
const RESULT = 'safeguards-result.json';

interface JestResult {
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly title: string; readonly status: string; readonly failureMessages: readonly string[] }[];
  }[];
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A configuration whose servers are those of the run that is open already. */
export async function writeSharedConfig(copy: string): Promise<void> {
  await writeFile(
    join(copy, CONFIG),
    "import base from './jest.config.mjs';\nconst { globalSetup, globalTeardown, ...rest } = base;\nexport default rest;\n",
  );
}

/** Runs the named tests. @throws Error when the tests did not run at all */
export async function runTests({ jest, copy, specs, titles, ownServers, signal }: TestRun): Promise<readonly TestOutcome[]> {
  const output = join(copy, RESULT);
  await rm(output, { force: true });
  const child = spawn(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      jest,
      `--config=${join(copy, ownServers ? 'jest.config.mjs' : CONFIG)}`,
      '--runInBand',
      '--forceExit',
      '--json',
      `--outputFile=${output}`,
      `--testNamePattern=(?:${titles.map(escaped).join('|')})$`,
      '--runTestsByPath',
      ...specs,
    ],
    { cwd: copy, stdio: 'ignore', signal, timeout: RUN_MS_MAX },
  );
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code === null) throw new Error(`the tests did not end within ${String(RUN_MS_MAX)} ms`);
  const { testResults } = JSON.parse(await readFile(output, 'utf8')) as JestResult;
  const outcomes = testResults.flatMap(({ assertionResults }) => assertionResults).filter(({ title }) => titles.includes(title));
  const broken = testResults.find(({ assertionResults }) => assertionResults.length === 0);
  if (broken !== undefined) throw new Error(`a spec could not be run: ${broken.message}`);
  return outcomes.map(({ title, status, failureMessages }) => ({ title, status, messages: plain(failureMessages.join('\n')) }));
}

/** Without the colours that jest puts into its messages. */
const plain = (text: string): string => text.replace(/\u001b\[\d+m/g, '');
