import {
  Fault,
  StateUnavailable,
  type AgentView,
  type CommandAnswer,
  type JsonObject,
  type NoticeOutcome,
  type QueryAsker,
  type StepContext,
  type StepError,
  type Timestamp,
} from '@taskmaster/contracts';
import type { Timers } from '@taskmaster/messaging';
import type { ChangeDesk } from './change/change.js';
import type { AgentDriver } from './driver.js';
import { ForgeFault } from './forge/forge.js';
import { GitFault } from './git.js';
import type { Held, HeldAttempts } from './held-attempts.js';
import { refOf, type StepReporter, type Work } from './steps.js';
import { RepositoryUnusable } from './workspace/mirrors.js';
import { PushContention } from './workspace/push.js';
import type { Sessions } from './workspace/sessions.js';

/** Everything the reactors reach the world through. */
export interface Coordinator {
  readonly asker: QueryAsker;
  readonly reporter: StepReporter;
  readonly held: HeldAttempts;
  readonly sessions: Sessions;
  readonly desk: ChangeDesk;
  readonly driverOf: (agent: AgentView) => Promise<AgentDriver>;
  readonly now: () => Timestamp;
  readonly timers: Timers;
}

export const ANSWERED: NoticeOutcome = { kind: 'answered' };
/** Another delivery of the notice is being worked on: comes again to find out how that went. */
export const BEING_STARTED: NoticeOutcome = { kind: 'later', afterMs: 250 };
const REPORT_PAUSE_MS = 500;

/** How an attempt ended here. `stopped`: from outside, so nobody waits for a report, or somebody else will make one. */
export type Ending =
  | { readonly kind: 'completed'; readonly output: JsonObject }
  | { readonly kind: 'failed'; readonly error: StepError }
  | { readonly kind: 'stopped' };

export const failedWith = (type: StepError['type'], message: string, more: Partial<StepError> = {}): Ending => ({
  kind: 'failed',
  error: { type, message, retryable: true, ...more },
});

export function contextOf(c: Coordinator, work: Work): Promise<StepContext | null> {
  const { tenantId, workflowId, stepId, attempt } = work;
  return c.asker.ask('GetStepContext', { tenantId, workflowId, stepId, attempt });
}

/** What a broken world means for the attempt that met it. */
export function errorOf(error: unknown): StepError {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof ForgeFault) return error.error;
  if (error instanceof RepositoryUnusable) return { type: 'dependency', message, retryable: false };
  if (error instanceof PushContention) return { type: 'dependency', message, retryable: true };
  if (error instanceof GitFault) return { type: 'network', message, retryable: true };
  if (error instanceof Fault) return { type: 'internal', message, retryable: error.retryable };
  return { type: 'internal', message, retryable: true };
}

/** Whether an answer to `StartStep` means that this process does the work now; `undefined` when the notice is to come again. */
export function startedBy(answer: CommandAnswer): 'start' | 'reattach' | 'drop' | { readonly laterMs: number } {
  if (answer.outcome === 'accepted') return 'start';
  if (answer.outcome === 'duplicate') return 'reattach';
  if (answer.outcome === 'later') return { laterMs: answer.retryAfterMs };
  return 'drop';
}

/** Runs the work of a held attempt and reports its end until state-service has it. True when it was reported or nobody waits for it. */
export async function settle(c: Coordinator, held: Held, run: () => Promise<Ending>): Promise<boolean> {
  const startedMs = c.timers.now();
  const ending = await run().catch((error: unknown): Ending => ({ kind: 'failed', error: errorOf(error) }));
  const durationMs = c.timers.now() - startedMs;
  if (ending.kind === 'stopped') return held.reason() !== 'drained';
  for (;;) {
    try {
      await (ending.kind === 'completed'
        ? c.reporter.complete(held.work, ending.output, durationMs)
        : c.reporter.fail(held.work, ending.error));
      return true;
    } catch (error) {
      if (!(error instanceof StateUnavailable)) throw error;
      if (held.signal.aborted) return held.reason() !== 'drained';
      await new Promise<void>((resolve) => {
        c.timers.after(REPORT_PAUSE_MS, resolve);
      });
    }
  }
}

/** Takes a step that starts durably and needs no choice: asks for its start, then works in the background. */
export async function startAndHold(
  c: Coordinator,
  work: Work,
  run: (held: Held, reattached: boolean) => Promise<void>,
): Promise<NoticeOutcome> {
  const outcome = await c.held.alone(refOf(work), async (): Promise<NoticeOutcome> => {
    if (c.held.has(refOf(work))) return ANSWERED;
    const started = startedBy(await c.reporter.start(work));
    if (typeof started === 'object') return { kind: 'later', afterMs: started.laterMs };
    if (started === 'drop') return ANSWERED;
    const held = c.held.hold(work, (attempt) => run(attempt, started === 'reattach'));
    // What is taken up again is recorded already, and may take its time.
    if (started === 'start') await held;
    return ANSWERED;
  });
  return outcome ?? BEING_STARTED;
}
