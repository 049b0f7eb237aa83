// `npm run test:torture`: kills every process of a busy platform, once each, and judges the log. Runs several times in a row.
import { parseArgs } from 'node:util';
import { killRun } from './kill-run.js';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: { runs: text, cicd: text, simple: text, repositories: text, links: text, only: text, keep: { type: 'boolean' } },
});
const numberOf = (given: string | undefined, fallback: number): number => (given === undefined ? fallback : Number(given));
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const runs = numberOf(values.runs, 1);
let failures = 0;
for (let run = 1; run <= runs; run += 1) {
  say(`run ${String(run)} of ${String(runs)}`);
  const report = await killRun({
    cicd: numberOf(values.cicd, 20),
    simple: numberOf(values.simple, 100),
    repositories: numberOf(values.repositories, 4),
    links: numberOf(values.links, 18),
    only: values.only ?? '',
    keep: values.keep ?? false,
    say: (line) => {
      say(`  ${line}`);
    },
  });
  for (const { name, position, openAttempts, cicd, simple, backAfterMs } of report.kills)
    say(
      `  ${name.padEnd(22)} at ${String(position)}: ${String(openAttempts)} attempts of ${String(cicd)} cicd and ${String(simple)} simple workflows were open; back after ${String(backAfterMs)} ms`,
    );
  for (const violation of report.violations) say(`  VIOLATION ${violation}`);
  say(
    `run ${String(run)}: ${String(report.finished)} of ${String(report.accepted)} workflows finished, longest acceptance ${String(Math.round(report.longestAcceptMs))} ms, ${String(report.events)} events, ${(report.elapsedMs / 1000).toFixed(0)} s, ${String(report.violations.length)} violations`,
  );
  if (report.violations.length > 0) failures += 1;
}
say(`${String(runs - failures)} of ${String(runs)} runs without a violation`);
process.exitCode = failures === 0 ? 0 : 1;
