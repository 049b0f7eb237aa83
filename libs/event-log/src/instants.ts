import type { Timestamp } from '@taskmaster/contracts';

/** Turns Postgres' text of an instant in UTC (`2026-01-02 03:04:05.6+00`) into ours, always with three decimals. */
export function instantOf(text: string): Timestamp {
  const decimals = text.length > 22 ? text.slice(20, text.length - 3).slice(0, 3) : '';
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${decimals.padEnd(3, '0')}Z` as Timestamp;
}

export const instantOrNull = (text: string | null): Timestamp | null => (text === null ? null : instantOf(text));
