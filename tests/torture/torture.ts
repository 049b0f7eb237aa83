// `npm run torture`: a busy platform, a seed's faults, and the question whether anything was lost.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { interruptionSignal } from '../platform/interruption.js';
import { parseTortureOptions, USAGE, type TortureCommand } from './torture-options.js';
import { resultOf } from './torture-result.js';
import { tortureRun, type TortureReport } from './torture-run.js';

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

const lineOf = ({ seed, seconds, faults, accepted, unfinished, violations }: TortureReport): string =>
  `torture: seed ${String(seed)}, seconds ${String(seconds)}, faults ${JSON.stringify(faults)}, accepted ${String(accepted)}, unfinished ${String(unfinished)}, violations ${String(violations.length)}`;

async function keep(path: string, report: TortureReport): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(resultOf(report), null, 2)}\n`);
}

/** One run; its line is the last that is said of it. */
async function runSeed(command: TortureCommand, seed: number, signal: AbortSignal): Promise<boolean> {
  const { seconds, kinds, nodes, together, json, jsonDir } = command;
  const report = await tortureRun({ seconds, seed, kinds, nodes, together, keep: command.keep, signal, say });
  for (const violation of report.violations) say(`VIOLATION ${violation}`);
  if (json !== undefined) await keep(json, report);
  const variant = `${together ? 'together-' : ''}${nodes === 1 ? '' : 'cluster-'}`;
  if (jsonDir !== undefined) await keep(join(jsonDir, `torture-${variant}seed-${String(seed)}.json`), report);
  say(lineOf(report));
  return report.violations.length === 0 && report.unfinished === 0;
}

async function main(command: TortureCommand): Promise<number> {
  const signal = await interruptionSignal();
  let failures = 0;
  for (const seed of command.seeds) {
    try {
      if (!(await runSeed(command, seed, signal))) failures += 1;
    } catch (error) {
      if (signal.aborted) {
        say('interrupted; everything that was started is stopped');
        return 130;
      }
      say(`seed ${String(seed)}: ${(error as Error).stack ?? String(error)}`);
      failures += 1;
    }
  }
  if (command.seeds.length > 1)
    say(`${String(command.seeds.length - failures)} of ${String(command.seeds.length)} seeds without a violation`);
  return failures === 0 ? 0 : 1;
}

const command = parseTortureOptions(process.argv.slice(2));
if (command === 'help') say(USAGE);
else if ('wrong' in command) {
  process.stderr.write(`${command.wrong}\n\n${USAGE}\n`);
  process.exitCode = 2;
} else process.exit(await main(command));
