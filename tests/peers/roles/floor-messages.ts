import type { Shape } from '../../performance/plan-shapes.js';

/** What the processes of the floor tell each other. */
export type FloorCommand =
  | { readonly kind: 'start'; readonly workflow: string; readonly steps: number; readonly shape: Shape; readonly gateway: string }
  | { readonly kind: 'complete'; readonly workflow: string; readonly step: number };

export interface FloorNotice {
  readonly workflow: string;
  readonly step: number;
}

export interface FloorInput {
  readonly natsUrl: string;
  readonly databaseUrl: string;
  readonly port: number;
}

export const COMMANDS = 'floor.commands';
export const STREAM = 'FLOOR';
export const NOTICES = 'floor.notices';
export const CONSUMER = 'worker';
export const doneOf = (gateway: string): string => `floor.done.${gateway}`;

/** Commands of one message and of one append. */
export const BATCH_MAX = 64;
/** Notices of one message. */
export const NOTICES_MAX = 16;
export const REQUEST_MS_MAX = 60_000;

export const chunksOf = <T>(list: readonly T[], size: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
