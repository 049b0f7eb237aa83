import type { StepError, ValidationCheck, ValidationCommand } from '@taskmaster/contracts';
import { runCommand, type CommandEnd, type ProcessMark } from '../processes.js';
import { planValidation } from './validators.js';

const CHECK_TIMEOUT_MS = 10 * 60_000;
/** Characters of all output tails together: a step's output is kept in one event. */
const TAILS_CHARS_MAX = 8000;

export interface CheckRoom {
  readonly cwd: string;
  /** Everything the commands see of the outside. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly onSpawn?: (mark: ProcessMark) => void;
}

/** `unavailable`: what would prove it could not be run, so nothing is known. */
export type ChecksResult =
  | { readonly kind: 'checked'; readonly passed: boolean; readonly checks: readonly ValidationCheck[] }
  | { readonly kind: 'unavailable'; readonly error: StepError };

/** Runs every validator of a checkout, one after the other. The exit code decides, never the output. */
export async function runChecks(room: CheckRoom, given: readonly ValidationCommand[]): Promise<ChecksResult> {
  const plan = await planValidation(room.cwd, given);
  for (const step of plan.prepare) {
    const end = await run(room, step);
    if (end.kind !== 'exited' || end.exitCode !== 0) return unavailable(step, end, 'network');
  }
  const checks: ValidationCheck[] = [];
  for (const check of plan.checks) {
    const end = await run(room, check);
    if (end.kind === 'not-started' || end.kind === 'stopped') return unavailable(check, end, 'dependency');
    const passed = end.kind === 'exited' && end.exitCode === 0;
    const note = end.kind === 'timed-out' ? '\n[stopped: the time limit passed]' : '';
    const room4 = Math.floor(TAILS_CHARS_MAX / plan.checks.length);
    checks.push({ name: check.name, passed, durationMs: end.durationMs, outputTail: `${end.outputTail}${note}`.slice(-room4) });
  }
  return { kind: 'checked', passed: checks.every((check) => check.passed), checks };
}

const run = (room: CheckRoom, check: ValidationCommand): Promise<CommandEnd> =>
  runCommand({
    ...room,
    env: { PYTHONDONTWRITEBYTECODE: '1', ...room.env },
    command: check.command,
    timeoutMs: check.timeoutMs ?? CHECK_TIMEOUT_MS,
  });

function unavailable(check: ValidationCommand, end: CommandEnd, type: StepError['type']): ChecksResult {
  const why = end.kind === 'not-started' ? end.reason : end.kind === 'exited' ? `exit ${String(end.exitCode)}` : end.kind;
  const error = {
    type,
    message: `${check.name} could not be run: ${why}`,
    retryable: type === 'network',
    detail: { outputTail: end.outputTail.slice(-2000) },
  };
  return { kind: 'unavailable', error };
}
