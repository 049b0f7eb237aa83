import type { Bug } from '../bug.js';
import {
  cacheBeforeCommit,
  childForgotten,
  childTakesSlot,
  conflictTakenForDone,
  idsDrawn,
  leaseNotNoticed,
  noSweep,
  notDeduplicated,
  queueForgotten,
  quotaIgnored,
  retryTimerLost,
} from './state-bugs.js';
import {
  checkpointStored,
  endNotNamed,
  epochNotRaised,
  fenceNotChecked,
  noRedrive,
  positionsEarly,
  streamNotFollowed,
  toldTakenForDone,
} from './stream-bugs.js';
import { acknowledgedBeforeAnswer, attemptNotChecked, heldTakenForOurs, holderNotChecked } from './worker-bugs.js';
import { zombieCatchesUp } from './zombie.js';

/** Every planted bug, each as good as new: what one of them keeps belongs to one run. */
export const bugs = (): readonly Bug[] => [
  fenceNotChecked,
  zombieCatchesUp,
  epochNotRaised,
  noRedrive,
  endNotNamed,
  checkpointStored(),
  positionsEarly,
  streamNotFollowed,
  toldTakenForDone,
  acknowledgedBeforeAnswer,
  noSweep,
  leaseNotNoticed,
  retryTimerLost,
  queueForgotten,
  idsDrawn,
  notDeduplicated,
  conflictTakenForDone,
  cacheBeforeCommit,
  quotaIgnored,
  childForgotten,
  childTakesSlot,
  heldTakenForOurs,
  holderNotChecked,
  attemptNotChecked,
];

export const bugNamed = (name: string): Bug | undefined => bugs().find((bug) => bug.name === name);
