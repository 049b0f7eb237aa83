import { PROFILES } from '@taskmaster/client';
import { durationText, fit, harmless, pad, painter, type Ink, type Paint } from '../terminal.js';
import type { Run, RunStep, RunValidation, StepMark } from './run.js';

/** How a run is drawn. */
export interface RenderOptions {
  readonly columns: number;
  readonly colour: boolean;
  /** Milliseconds since the epoch: running steps show their age. */
  readonly now: number;
}

interface Sheet {
  readonly paint: Paint;
  readonly width: number;
  readonly now: number;
}

/** A validation without a single check passes, and must not look as if something had been tested. */
export const NOTHING_CHECKED = 'nothing was checked: no test command was found in the repository';

const WIDTH_MIN = 30;
const ARROW = ' → ';
/** Deeper than this the indentation would eat the line; the order still shows. */
const TREE_DEPTH_MAX = 6;
const MARKS: Readonly<Record<StepMark, readonly [sign: string, ink: Ink]>> = {
  waiting: ['·', 'dim'],
  ready: ['○', 'cyan'],
  running: ['◐', 'cyan'],
  retrying: ['↻', 'yellow'],
  succeeded: ['✔', 'green'],
  failed: ['✘', 'red'],
  skipped: ['–', 'dim'],
  cancelled: ['⊘', 'dim'],
};
const OUTCOME_INK = { completed: 'green', failed: 'red', cancelled: 'yellow' } as const;

/** A run as lines of text, none wider than the terminal. Pure: the same run, width and moment give the same lines. */
export function renderRun(run: Run, options: RenderOptions): readonly string[] {
  const sheet: Sheet = { paint: painter(options.colour), width: Math.max(WIDTH_MIN, options.columns - 1), now: options.now };
  return [
    headLine(run, sheet),
    '',
    ...stateLines(run, sheet),
    '',
    ...ownStepLines(run, sheet),
    ...planLines(run, sheet),
    ...changeLines(run, sheet),
    ...endLines(run, sheet),
  ];
}

function headLine(run: Run, { paint, width, now }: Sheet): string {
  const elapsed =
    run.startedAt === undefined ? '' : durationText(Math.max(0, (run.ended === undefined ? now : (run.lastAt ?? now)) - run.startedAt));
  const tail = ` ${run.paused ? 'PAUSED ' : ''}${elapsed}`;
  const title = fit(harmless(run.title === '' ? run.workflowId : run.title), width - tail.length);
  return `${paint('bold', title)}${' '.repeat(Math.max(0, width - title.length - tail.length))}${paint('dim', tail)}`;
}

/** The states of the profile in a row, broken where the line is full: passed, current, to come. */
function stateLines(run: Run, { paint, width }: Sheet): readonly string[] {
  const profile = PROFILES[run.profile as keyof typeof PROFILES] as (typeof PROFILES)[keyof typeof PROFILES] | undefined;
  const order = profile?.progressOrder ?? [];
  const states = [...order, ...new Set(run.visited.filter((state) => !order.includes(state)))];
  const rows: { text: string; used: number }[] = [];
  for (const { text, ink } of states.map((state) => stateCell(run, state))) {
    const row = rows.at(-1);
    if (row !== undefined && row.used + ARROW.length + text.length <= width) {
      row.text += paint('dim', ARROW) + paint(ink, text);
      row.used += ARROW.length + text.length;
    } else {
      const indent = rows.length === 0 ? '' : '  ';
      rows.push({ text: indent + paint(ink, text), used: indent.length + text.length });
    }
  }
  return rows.map((row) => row.text);
}

function stateCell(run: Run, state: string): { text: string; ink: Ink } {
  const times = run.visited.filter((visited) => visited === state).length;
  const again = times > 1 ? ` ×${String(times)}` : '';
  if (run.state === state) {
    if (run.ended === undefined) return { text: `● ${state}${again}`, ink: 'cyan' };
    return { text: `${run.ended.outcome === 'completed' ? '✔' : '✘'} ${state}${again}`, ink: OUTCOME_INK[run.ended.outcome] };
  }
  if (times > 0) return { text: `✔ ${state}${again}`, ink: state.endsWith('failed') ? 'yellow' : 'green' };
  return { text: state, ink: 'dim' };
}

/** The platform's own steps before the plan is there; later ones are told by the change. */
function ownStepLines(run: Run, sheet: Sheet): readonly string[] {
  const own = [...run.steps.values()].filter((step) => !step.planned);
  if (own.length === 0) return [];
  const by =
    run.interpreter === undefined
      ? ''
      : `understood by ${run.interpreter.provider}${run.interpreter.provider === 'offline' ? ' rules, no model' : ` (${run.interpreter.model})`}`;
  return [section('Stages', by, sheet), ...own.map((step) => stepLine(step, '  ', sheet)), ''];
}

function planLines(run: Run, sheet: Sheet): readonly string[] {
  const steps = [...run.steps.values()].filter((step) => step.planned);
  if (steps.length === 0) return [];
  const settled = steps.filter((step) => step.mark === 'succeeded' || step.mark === 'skipped').length;
  return [section('Plan', `${String(settled)} of ${String(steps.length)} steps done`, sheet), ...treeLines(steps, sheet), ''];
}

interface Branch {
  readonly step: RunStep;
  readonly prefix: string;
  readonly last: boolean;
  readonly depth: number;
}

/** The plan as a tree of titles, for those who read lines. */
export function planTree(run: Run): readonly string[] {
  const steps = [...run.steps.values()].filter((step) => step.planned);
  return branchesIn(steps).map(({ step, prefix, last }) => `  ${prefix}${last ? '└─ ' : '├─ '}${titleWithOthers(step)}`);
}

function treeLines(steps: readonly RunStep[], sheet: Sheet): readonly string[] {
  return branchesIn(steps).flatMap(({ step, prefix, last }) => [
    stepLine(step, `  ${prefix}${last ? '└─ ' : '├─ '}`, sheet),
    ...whyLines(step, `  ${prefix}${last ? '   ' : '│  '}`, sheet),
  ]);
}

/** A graph as a tree, from the top down: each step hangs under its last dependency. */
function branchesIn(steps: readonly RunStep[]): readonly Branch[] {
  const children = childrenOf(steps);
  const found: Branch[] = [];
  const open: Branch[] = branchesOf(children.get('') ?? [], '', 0);
  for (let branch = open.pop(); branch !== undefined; branch = open.pop()) {
    const { step, prefix, last, depth } = branch;
    const under = `${prefix}${last ? '   ' : '│  '}`;
    found.push(branch);
    open.push(...branchesOf(children.get(step.id) ?? [], depth < TREE_DEPTH_MAX ? under : prefix, depth + 1));
  }
  return found;
}

/** Steps by the one they hang under; those without are under ''. */
function childrenOf(steps: readonly RunStep[]): ReadonlyMap<string, readonly RunStep[]> {
  const known = new Set(steps.map((step) => step.id));
  const children = new Map<string, RunStep[]>();
  for (const step of steps) {
    const parent = step.dependsOn.findLast((id) => known.has(id)) ?? '';
    children.set(parent, [...(children.get(parent) ?? []), step]);
  }
  return children;
}

/** Last first, because they are taken from the end. */
const branchesOf = (steps: readonly RunStep[], prefix: string, depth: number): Branch[] =>
  steps.map((step, index) => ({ step, prefix, last: index === steps.length - 1, depth })).reverse();

function stepLine(step: RunStep, lead: string, { paint, width, now }: Sheet): string {
  const [sign, ink] = MARKS[step.mark];
  const time = timeOf(step, now);
  const tries = step.attempt > 1 ? ` try ${String(step.attempt)}` : '';
  const tail = `${tries}${time === '' ? '' : `  ${time}`}`;
  const room = width - lead.length - 2 - tail.length;
  const text = pad(harmless(titleWithOthers(step)), room);
  return `${paint('dim', lead)}${paint(ink, sign)} ${step.mark === 'waiting' ? paint('dim', text) : text}${paint('dim', tail)}`;
}

/** It hangs under its last dependency; the others are named. */
const titleWithOthers = ({ title, dependsOn }: RunStep): string =>
  dependsOn.length > 1 ? `${title} (also after ${dependsOn.slice(0, -1).join(', ')})` : title;

function timeOf(step: RunStep, now: number): string {
  if (step.startedAt === undefined || step.mark === 'waiting') return '';
  if (step.settledAt !== undefined) return durationText(Math.max(0, step.settledAt - step.startedAt));
  return durationText(Math.max(0, now - step.startedAt));
}

/** Who does it and why, and what was heard last. */
function whyLines(step: RunStep, lead: string, { paint, width }: Sheet): readonly string[] {
  const lines: string[] = [];
  const { assignment } = step;
  if (assignment !== undefined) {
    const isNamedSo = assignment.agentName.includes('SIMULATED');
    const label = assignment.simulated && !isNamedSo ? ' SIMULATED' : '';
    const kind = isNamedSo ? '' : ` (${assignment.agentType})`;
    const name = fit(harmless(`${assignment.agentName}${kind}`), width - lead.length - label.length - 2);
    const reason = fit(harmless(shortReason(assignment)), Math.max(0, width - lead.length - name.length - label.length - 6));
    lines.push(
      `${paint('dim', lead)}  ${paint(isNamedSo ? 'yellow' : 'magenta', name)}${paint('yellow', label)}${reason === '' ? '' : paint('dim', `: ${reason}`)}`,
    );
  }
  if (step.note !== undefined && step.note !== '')
    lines.push(
      `${paint('dim', lead)}  ${paint(step.mark === 'failed' ? 'red' : 'dim', fit(harmless(step.note), width - lead.length - 2))}`,
    );
  return lines;
}

/** The reason without the name that stands before it already. */
const shortReason = ({ agentName, reason }: { readonly agentName: string; readonly reason: string }): string =>
  reason.startsWith(agentName)
    ? reason
        .slice(agentName.length)
        .replace(/^ \(SIMULATED\)/, '')
        .replace(/^ has /, '')
        .trim()
    : reason;

function changeLines(run: Run, sheet: Sheet): readonly string[] {
  const { paint, width } = sheet;
  const lines: string[] = [];
  const { pullRequest } = run;
  if (pullRequest !== undefined) {
    lines.push(section('Pull request', `#${String(pullRequest.number)} ${pullRequest.state}`, sheet));
    lines.push(
      `  ${fit(harmless(pullRequest.title), width - 2)}`,
      paint('dim', `  ${fit(harmless(`${pullRequest.source} → ${pullRequest.target}`), width - 2)}`),
    );
  }
  for (const validation of run.validations) {
    lines.push(
      section(
        `Validation ${String(validation.cycle)}`,
        `${validation.passed ? 'passed' : 'failed'} on ${validation.commit.slice(0, 10)}`,
        sheet,
      ),
    );
    lines.push(...checkLines(validation, sheet));
  }
  if (pullRequest?.commit !== undefined)
    lines.push(
      section('Merged', '', sheet),
      paint('green', `  ✔ ${pullRequest.commit.slice(0, 12)} on ${fit(harmless(pullRequest.target), width - 24)}`),
    );
  return lines.length === 0 ? [] : [...lines, ''];
}

function checkLines({ checks }: RunValidation, { paint, width }: Sheet): readonly string[] {
  if (checks.length === 0) return [paint('yellow', `  ${fit(NOTHING_CHECKED, width - 2)}`)];
  return checks.map((check) => {
    const time = durationText(check.durationMs);
    return `  ${paint(check.passed ? 'green' : 'red', check.passed ? '✔' : '✘')} ${pad(harmless(check.name), width - 6 - time.length)}  ${paint('dim', time)}`;
  });
}

function endLines(run: Run, { paint, width }: Sheet): readonly string[] {
  if (run.escalation !== undefined && run.ended === undefined)
    return [
      paint('yellow', fit(`Waits for a person: ${harmless(run.escalation)}`, width)),
      fit('To answer, with retry or fail:', width),
      fit(`  task-master workflow resolve ${harmless(run.workflowId)} retry`, width),
    ];
  if (run.ended === undefined) return [];
  const { outcome, reason, leftovers } = run.ended;
  const words = [paint(OUTCOME_INK[outcome], fit(`${outcome}${reason === '' ? '' : `: ${harmless(reason)}`}`, width))];
  return [...words, ...leftovers.map((leftover) => paint('yellow', fit(`  left over: ${harmless(leftover)}`, width)))];
}

const section = (name: string, note: string, { paint, width }: Sheet): string =>
  `${paint('bold', name)}${note === '' ? '' : paint('dim', fit(`  ${harmless(note)}`, width - name.length))}`;
