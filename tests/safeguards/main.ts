// `npm run test:safeguards`: takes each safeguard away in a copy of the workspace, and requires that the test which is to notice fails.
// `-- --only WORDS` takes those whose name contains the words.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { closeRun, openRun } from '@taskmaster/testing';
import { interruptionSignal } from '../platform/interruption.js';
import { SAFEGUARDS, type Safeguard } from './catalogue.js';
import { runTests, writeSharedConfig } from './run-tests.js';
import { applyEdits, copyWorkspace } from './workspace-copy.js';

const ROOT = resolve(import.meta.dirname, '../../..');
const JEST = join(ROOT, 'node_modules/jest/bin/jest.js');

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
const chosen = SAFEGUARDS.filter(({ name }) => name.includes(values.only));
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const secondsSince = (startedAt: number): string => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
const unique = (list: readonly string[]): readonly string[] => [...new Set(list)];

/** Why the safeguard is not proved; undefined when it is. */
async function faultOf(copy: string, safeguard: Safeguard, signal: AbortSignal): Promise<string | undefined> {
  const { edits, spec, title, because } = safeguard;
  const takeBack = await applyEdits(copy, edits);
  try {
    const ownServers = edits.some(({ file }) => file.endsWith('.sql'));
    const [outcome] = await runTests({ jest: JEST, copy, specs: [spec], titles: [title], ownServers, signal });
    if (outcome === undefined) return 'its test was not found';
    if (outcome.status !== 'failed') return `its test ${outcome.status} without it`;
    return because.test(outcome.messages) ? undefined : `its test failed for another reason:\n${outcome.messages}`;
  } finally {
    await takeBack();
  }
}

/** @returns the names of the tests that do not pass as things are */
async function failingAsTheyAre(copy: string, signal: AbortSignal): Promise<readonly string[]> {
  const specs = unique(chosen.map(({ spec }) => spec));
  const titles = unique(chosen.map(({ title }) => title));
  const outcomes = await runTests({ jest: JEST, copy, specs, titles, ownServers: false, signal });
  const passed = new Set(outcomes.filter(({ status }) => status === 'passed').map(({ title }) => title));
  return titles.filter((title) => !passed.has(title));
}

async function prove(copy: string, signal: AbortSignal): Promise<number> {
  await copyWorkspace(ROOT, copy);
  await writeSharedConfig(copy);
  const failing = await failingAsTheyAre(copy, signal);
  for (const title of failing) say(`FAILS WITH EVERY SAFEGUARD IN PLACE  ${title}`);
  if (failing.length > 0) return failing.length;
  let faults = 0;
  for (const safeguard of chosen) {
    const startedAt = performance.now();
    const fault = await faultOf(copy, safeguard, signal);
    if (fault !== undefined) faults += 1;
    say(
      `${fault === undefined ? 'noticed    ' : 'NOT NOTICED'}  ${safeguard.name} (${secondsSince(startedAt)})${fault === undefined ? '' : `: ${fault}`}`,
    );
  }
  return faults;
}

const startedAt = performance.now();
const copy = await mkdtemp(join(tmpdir(), 'taskmaster-safeguards-'));
await openRun();
try {
  const faults = await prove(copy, await interruptionSignal());
  const all = `${String(chosen.length)} safeguards taken away one by one, ${secondsSince(startedAt)}`;
  say(faults === 0 && chosen.length > 0 ? `${all}: a test noticed every one` : `${all}: ${String(faults)} NOT PROVED`);
  if (faults > 0 || chosen.length === 0) process.exitCode = 1;
} finally {
  await closeRun();
  await rm(copy, { recursive: true, force: true });
}
