import { runHeader, type RunHeader } from '../platform/run-header.js';
import type { TortureReport } from './torture-run.js';

/** A run as its result file keeps it: the report, and on what it ran. */
export interface TortureResult extends TortureReport, RunHeader {
  readonly test: 'torture';
}

export const resultOf = (report: TortureReport): TortureResult => ({ test: 'torture', ...runHeader(), ...report });
