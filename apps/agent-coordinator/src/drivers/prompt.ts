import type { AttemptRef } from '@taskmaster/contracts';

/** Header that only the simulated agent reads; its value is the marked line, percent-encoded. */
export const ASSIGNMENT_HEADER = 'x-taskmaster-assignment';

/** The last line of a complete answer. The prompt describes it in words, so that an echo of the prompt does not hold it. */
export const FINISHED_LINE = 'TASKMASTER-FINISHED';

const CLOSING = [
  'Change files only inside the workspace named in the first line of this message.',
  'When everything is done, end your answer with a line of its own that holds the word TASKMASTER, a hyphen and the word FINISHED, in capitals and without spaces.',
].join('\n');

/** The first line of every prompt: names the attempt, so that a history tells whether this very prompt was taken. */
export const assignmentLine = (attempt: AttemptRef, workspace: string): string =>
  `[taskmaster] workflow=${attempt.workflowId} step=${attempt.stepId} attempt=${String(attempt.attempt)} workspace=${JSON.stringify(workspace)}`;

export const promptText = (line: string, prompt: string): string => `${line}\n${prompt.trim()}\n\n${CLOSING}`;

/** Whether an answer ends as a complete one was asked to. Looks at its last lines, since a terminal may add some of its own. */
export const isFinished = (answer: string): boolean =>
  answer
    .trimEnd()
    .split('\n')
    .slice(-4)
    .some((line) => line.replace(/[^A-Z-]/g, '') === FINISHED_LINE);

/** An answer without the line that ends it. */
export const withoutFinishedLine = (answer: string): string =>
  answer
    .split('\n')
    .filter((line) => line.replace(/[^A-Z-]/g, '') !== FINISHED_LINE)
    .join('\n')
    .trim();
