import { isAbsolute } from 'node:path';

/** What the twin knows of the attempt it is asked to do. */
export interface SimulatedAssignment {
  readonly workflow: string;
  readonly step: string;
  readonly attempt: number;
  readonly workspace: string;
}

/** Header that only the twin reads; carries the same line as the prompt, percent-encoded. */
export const ASSIGNMENT_HEADER = 'x-taskmaster-assignment';

const LINE = /^\[taskmaster\] workflow=(\S{1,128}) step=([a-z0-9-]{1,48}) attempt=(\d{1,3}) workspace=(".*")$/;

/** Reads the marked line; undefined when the text is none. */
export function parseAssignmentLine(line: string): SimulatedAssignment | undefined {
  const match = LINE.exec(line.trim());
  if (match === null) return undefined;
  const workspace = parseJsonString(match[4] ?? '');
  if (workspace === undefined || !isAbsolute(workspace)) return undefined;
  return { workflow: match[1] ?? '', step: match[2] ?? '', attempt: Number(match[3]), workspace };
}

/**
 * The assignment of a prompt: the header wins, else the prompt's first line. Later lines are a requirement's text, which anybody
 * may have written, so they are never looked at.
 */
export function assignmentOf(header: string | undefined, prompt: string): SimulatedAssignment | undefined {
  if (header !== undefined) return parseAssignmentLine(decode(header));
  return parseAssignmentLine(prompt.split('\n', 1)[0] ?? '');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

function parseJsonString(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
