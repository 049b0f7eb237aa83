import type { Notice, NoticeOutcome } from '@taskmaster/contracts';

/** What is logged of a notice once it is handled: ids, outcome and milliseconds, never its input. */
export function handledNotice(notice: Notice, outcome: NoticeOutcome, durationMs: number): Readonly<Record<string, string | number>> {
  const { kind, workflowId, stepId, attempt, eventId, correlationId } = notice;
  return { kind, workflowId, stepId, attempt, eventId, correlationId, outcome: outcome.kind, durationMs: Math.round(durationMs) };
}
