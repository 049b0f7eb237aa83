// `npm run bench:peers`: TaskMaster and its peers on the same work, by turns, on this machine; then the targets are judged.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Cleanup } from '../performance/cleanup.js';
import { resultHeader } from '../performance/result-header.js';
import { measureStart, type StartFigures } from './cold-start.js';
import { gatesReport, judge, missedGates } from './gates.js';
import { parsePeersOptions, USAGE, type PeersOptions } from './options.js';
import { installedPeers } from './packages.js';
import { measureRound, type Bench, type Round } from './rates.js';
import { measureRecovery, type RecoveryFigures } from './recovery.js';
import { ratesOf, recoveryOf, startOf, type Results } from './results.js';

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const tell = (text: string): void => void process.stderr.write(`${text}\n`);

async function measureAll(bench: Bench): Promise<Results> {
  const { options } = bench;
  const at = new Date();
  const rates: Round[] = [];
  const recovery: (readonly RecoveryFigures[])[] = [];
  const starts: StartFigures[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    say(`round ${String(round)} of ${String(options.rounds)}`);
    if (options.parts.includes('rates')) rates.push(await measureRound(bench));
    if (options.parts.includes('recovery')) recovery.push(await measureRecovery(bench));
    if (options.parts.includes('start') && options.only.includes('ours')) starts.push(await measureStart(bench));
  }
  const header = await resultHeader({ at, quick: options.quick, versions: await installedPeers() });
  return {
    ...(rates.length === 0 ? {} : { rates: ratesOf(header, rates) }),
    ...(recovery.length === 0 ? {} : { recovery: recoveryOf(header, recovery) }),
    ...(starts.length === 0 ? {} : { start: startOf(header, starts) }),
  };
}

async function writeResults(directory: string, results: Results): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const [name, result] of Object.entries(results))
    await writeFile(join(directory, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
  say(`results are in ${directory}`);
}

/** Targets whose part was not measured this time are judged by the files of an earlier run. */
async function readResults(directory: string): Promise<Results> {
  const read = async (name: string): Promise<unknown> => {
    const path = join(directory, `${name}.json`);
    return existsSync(path) ? JSON.parse(await readFile(path, 'utf8')) : undefined;
  };
  const files = await Promise.all(['rates', 'recovery', 'start'].map(async (name) => [name, await read(name)] as const));
  return Object.fromEntries(files.filter(([, result]) => result !== undefined));
}

async function run(options: PeersOptions): Promise<void> {
  const cleanup = new Cleanup();
  try {
    await writeResults(options.directory, await measureAll({ options, cleanup, say }));
  } finally {
    await cleanup.run();
    cleanup.dispose();
  }
  const verdicts = judge(await readResults(options.directory));
  say(`\n${gatesReport(verdicts)}`);
  const missed = missedGates(verdicts);
  if (missed.length === 0) return;
  tell(`\n${String(missed.length)} gates are missed or could not be judged`);
  if (options.gate) process.exitCode = 1;
}

const options = parsePeersOptions(process.argv.slice(2));
if (options === 'help') say(USAGE);
else if ('wrong' in options) {
  tell(`${options.wrong}\n\n${USAGE}`);
  process.exitCode = 2;
} else await run(options);
