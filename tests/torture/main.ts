// `npm run test:torture`: kills every process of a busy platform, once each, and judges the log. Runs several times in a row.
import { parseArgs } from 'node:util';
import { interruptionSignal } from '../platform/interruption.js';
import { killRun } from './kill-run.js';

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const { values } = parseArgs({
  options: { runs: text, cicd: text, simple: text, repositories: text, links: text, only: text, together: flag, keep: flag },
});
const numberOf = (given: string | undefined, fallback: number): number => (given === undefined ? fallback : Number(given));
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** @returns whether nothing was found */
async function runOnce(name: string, signal: AbortSignal): Promise<boolean> {
  const report = await killRun({
    cicd: numberOf(values.cicd, 20),
    simple: numberOf(values.simple, 100),
    repositories: numberOf(values.repositories, 4),
    links: numberOf(values.links, 18),
    only: values.only ?? '',
    together: values.together ?? false,
    keep: values.keep ?? false,
    signal,
    say: (line) => {
      say(`  ${line}`);
    },
  });
  for (const kill of report.kills) {
    const open = `${String(kill.openAttempts)} attempts of ${String(kill.cicd)} cicd and ${String(kill.simple)} simple workflows were open`;
    say(`  ${kill.name.padEnd(22)} at ${String(kill.position)}: ${open}; back after ${String(kill.backAfterMs)} ms`);
  }
  for (const violation of report.violations) say(`  VIOLATION ${violation}`);
  const { accepted, finished, longestAcceptMs, events, elapsedMs, violations } = report;
  say(
    `${name}: ${String(finished)} of ${String(accepted)} workflows finished, longest acceptance ${String(Math.round(longestAcceptMs))} ms, ${String(events)} events, ${(elapsedMs / 1000).toFixed(0)} s, ${String(violations.length)} violations`,
  );
  return violations.length === 0;
}

async function main(): Promise<number> {
  const signal = await interruptionSignal();
  const runs = numberOf(values.runs, 1);
  let failures = 0;
  for (let run = 1; run <= runs; run += 1) {
    say(`run ${String(run)} of ${String(runs)}`);
    try {
      if (!(await runOnce(`run ${String(run)}`, signal))) failures += 1;
    } catch (error) {
      if (!signal.aborted) throw error;
      say('interrupted; everything that was started is stopped');
      return 130;
    }
  }
  say(`${String(runs - failures)} of ${String(runs)} runs without a violation`);
  return failures === 0 ? 0 : 1;
}

process.exit(await main());
