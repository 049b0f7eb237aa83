import type { Bug } from './bug.js';
import { FaultMaker } from './faults.js';
import { simulateRestore } from './restore.js';
import { World } from './world.js';

export interface RunOptions {
  readonly seed: number;
  readonly bug?: Bug;
  readonly say?: (line: string) => void;
}

/** What one seed came to. */
export interface RunResult {
  readonly seed: number;
  readonly violations: readonly string[];
  /** Of everything that happened; the same seed gives the same. */
  readonly hash: string;
  readonly workflows: number;
  readonly events: number;
  readonly faults: number;
  readonly epochs: number;
  /** Milliseconds of simulated time. */
  readonly simulatedMs: number;
  readonly happenings: number;
  readonly lastLines: readonly string[];
}

const WORKFLOWS_MIN = 4;
const WORKFLOWS_MAX = 14;
const SAFETY_MS = 20_000;
/** Everything that was accepted ends within so much simulated time after the world is whole again. */
export const LIVENESS_MS_MAX = 240_000;
const LOOK_EVERY_MS = 500;
const LINES = 60;

/** Runs one seed, in the scenario of its bug. */
export const simulate = (options: RunOptions): Promise<RunResult> =>
  options.bug?.scenario === 'restore' ? simulateRestore(options) : simulateFaults(options);

/** Runs one seed: faults while people ask and workers work, then a whole world in which everything must end. */
async function simulateFaults({ seed, bug, say }: RunOptions): Promise<RunResult> {
  const scale = seed % 5 === 0 ? 2 : 1;
  const workflows = WORKFLOWS_MIN + (seed % (WORKFLOWS_MAX - WORKFLOWS_MIN + 1));
  const world = new World({
    ...{ seed, workflows, withinMs: SAFETY_MS * scale * 0.6 },
    ...(bug === undefined ? {} : { bug }),
    ...(say === undefined ? {} : { say }),
  });
  const { time, judge, trace } = world;
  const faults = new FaultMaker(world, world.random('faults'));
  const isBroken = (): boolean => {
    judge.look();
    return judge.violations.length > 0;
  };
  await time.runUntil(SAFETY_MS * scale, isBroken);
  if (!isBroken()) {
    faults.heal();
    const end = time.now + LIVENESS_MS_MAX;
    while (time.now < end && !isBroken() && !isAtRest(world)) await time.runUntil(time.now + LOOK_EVERY_MS, isBroken);
    if (!isBroken()) conclude(world);
  }
  const { tables } = world.database.memory;
  return {
    seed,
    violations: judge.violations,
    hash: trace.hash(),
    workflows: tables.workflows.size,
    events: tables.events.length,
    faults: faults.count,
    epochs: tables.epoch.epoch,
    simulatedMs: Math.round(time.now),
    happenings: time.count,
    lastLines: trace.last(LINES),
  };
}

function isAtRest({ clients, judge, server, database }: World): boolean {
  if (clients.unanswered.length > 0 || judge.unfinished.length > 0) return false;
  return judge.isStreamAtRest(server.disk) && database.memory.tables.epoch.epoch > 0;
}

function conclude({ clients, judge, server, asked }: World): void {
  for (const { key } of clients.unanswered) judge.broken('liveness', `nobody answered ${key}`);
  for (const unfinished of judge.unfinished) judge.broken('liveness', unfinished);
  judge.atRest(server.disk);
  judge.clients(clients.tenants, (tenantId) => clients.recordsOf(tenantId), asked);
}
