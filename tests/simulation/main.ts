// `npm run simulate`: runs seeds of the deterministic simulation, one after the other, and says what they came to.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runHeader } from '../platform/run-header.js';
import { bugNamed, bugs } from './bugs/index.js';
import type { Bug } from './bug.js';
import { simulate, type RunResult } from './simulate.js';

const HELP = `npm run simulate -- [options]

  --seeds N      how many seeds to run (100)
  --seed S       the first seed (1); with it alone, only that one
  --bug NAME     plants a bug that must be found
  --list-bugs    names the bugs and what is wrong with each
  --trace        prints everything that happens
  --json FILE    writes what the seeds came to
  --help         this text

The same seed always does the same. The exit code is 1 when an invariant was broken.`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const { values } = parseArgs({
  options: { seeds: text, seed: text, bug: text, 'list-bugs': flag, trace: flag, json: text, help: flag },
});

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Sums of the seeds that were run. */
interface Sums {
  seeds: number;
  workflows: number;
  events: number;
  faults: number;
  happenings: number;
  simulatedMs: number;
  readonly failed: RunResult[];
}

const sums: Sums = { seeds: 0, workflows: 0, events: 0, faults: 0, happenings: 0, simulatedMs: 0, failed: [] };
const startedAt = performance.now();
const header = runHeader();
const FAILURES_SHOWN_MAX = 5;
const PROGRESS_MS = 10_000;
const TRACE_LINES = 40;

function add(result: RunResult): void {
  sums.seeds += 1;
  sums.workflows += result.workflows;
  sums.events += result.events;
  sums.faults += result.faults;
  sums.happenings += result.happenings;
  sums.simulatedMs += result.simulatedMs;
  if (result.violations.length > 0) sums.failed.push(result);
}

const violations = (): number => sums.failed.reduce((sum, failed) => sum + failed.violations.length, 0);

function summary(): string {
  const minutes = (performance.now() - startedAt) / 60_000;
  const figures = [
    `seeds ${String(sums.seeds)}`,
    `seeds/min ${String(Math.round(sums.seeds / minutes))}`,
    `workflows ${String(sums.workflows)}`,
    `faults ${String(sums.faults)}`,
    `violations ${String(violations())}`,
  ];
  return `simulate: ${figures.join(', ')}`;
}

function show({ seed, violations: broken, lastLines, hash }: RunResult): void {
  for (const line of lastLines.slice(-TRACE_LINES)) say(`  ${line}`);
  say(`seed ${String(seed)}: trace ${hash}`);
  for (const violation of broken) say(`  VIOLATION ${violation}`);
  say(`  again: npm run simulate -- --seed ${String(seed)} --trace${values.bug === undefined ? '' : ` --bug ${values.bug}`}`);
}

function finish(): void {
  if (values.json !== undefined) {
    const { failed, ...figures } = sums;
    const failures = failed.map(({ seed, hash, violations: broken }) => ({ seed, hash, violations: broken }));
    const elapsedMs = Math.round(performance.now() - startedAt);
    const result = { ...header, ...figures, elapsedMs, violations: violations(), failures };
    writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  say(summary());
}

function wantedBug(name: string): Bug {
  const bug = bugNamed(name);
  if (bug !== undefined) return bug;
  process.stderr.write(`there is no bug named ${name}; --list-bugs names them\n`);
  process.exit(2);
}

function wholeNumber(given: string | undefined, fallback: number): number {
  const number = given === undefined ? fallback : Number(given);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  process.stderr.write('--seeds and --seed take whole numbers from 1\n');
  process.exit(2);
}

async function run(): Promise<void> {
  const first = wholeNumber(values.seed, 1);
  const count = wholeNumber(values.seeds, values.seed === undefined ? 100 : 1);
  const told = values.trace === true ? { say } : {};
  let saidAt = performance.now();
  for (let seed = first; seed < first + count; seed += 1) {
    const planted = values.bug === undefined ? {} : { bug: wantedBug(values.bug) };
    const result = await simulate({ seed, ...planted, ...told });
    add(result);
    if (result.violations.length > 0 && sums.failed.length <= FAILURES_SHOWN_MAX) show(result);
    else if (count === 1)
      say(`seed ${String(seed)}: trace ${result.hash}, ${String(result.events)} events, ${String(result.simulatedMs)} ms simulated`);
    if (performance.now() - saidAt > PROGRESS_MS) {
      saidAt = performance.now();
      say(summary());
    }
  }
}

if (values.help === true) say(HELP);
else if (values['list-bugs'] === true) for (const { name, mistake } of bugs()) say(`${name.padEnd(34)} ${mistake}`);
else {
  process.once('SIGINT', () => {
    finish();
    process.exit(130);
  });
  await run();
  finish();
  process.exitCode = sums.failed.length === 0 ? 0 : 1;
}
