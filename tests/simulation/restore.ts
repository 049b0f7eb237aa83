import { HEADER_UPTO } from '@taskmaster/contracts';
import type { Tables } from '@taskmaster/event-log/in-memory';
import type { RunOptions, RunResult } from './simulate.js';
import { World } from './world.js';

const WORKFLOWS = 30;
const WITHIN_MS = 20_000;
const COPIED_AT_MS = 4_000;
/** Nobody leads for so long: people go on asking, and the restored log grows past its former end. */
const LEADERLESS_MS_MAX = 12_000;
const NOTICED_MS_MAX = 20_000;
const SETTLES_MS = 3_000;
const LINES = 60;

/** Puts the tables back to a copy, where everybody holds them. */
function restore(tables: Tables, copy: Tables): void {
  tables.events.splice(0, tables.events.length, ...copy.events);
  for (const name of ['streams', 'eventsOf', 'clientCommands', 'quotas', 'workflows', 'steps', 'snapshots'] as const) {
    const [map, old] = [tables[name] as Map<unknown, unknown>, copy[name] as ReadonlyMap<unknown, unknown>];
    map.clear();
    for (const [key, value] of old) map.set(key, value);
  }
  tables.recordedAt = copy.recordedAt;
  tables.epoch = copy.epoch;
}

const messagesIn = ({ server }: World): number => [...server.disk.values()].reduce((sum, { lastSequence }) => sum + lastSequence, 0);

/** How far the stream covers the log. */
const coveredBy = ({ server }: World): number =>
  Math.max(
    0,
    ...[...server.disk.values()].map(({ messages, lastSequence }) => Number(messages.get(lastSequence)?.headers?.get(HEADER_UPTO) ?? 0)),
  );

/** Lets time pass while the judge looks at all that happens. */
async function live(world: World, forMs: number): Promise<void> {
  await world.time.runUntil(world.time.now + forMs, () => {
    world.judge.look();
    return false;
  });
}

const isNoticed = ({ judge }: World): boolean => judge.violations.some((what) => what.startsWith('regressed'));

/**
 * Runs one seed in which the database is restored from an older copy while the stream is kept, and grows past its former end before
 * anybody leads. Whoever then leads must notice when something that was published is gone, and publish nothing.
 */
export async function simulateRestore({ seed, bug, say }: RunOptions): Promise<RunResult> {
  const world = new World({
    ...{ seed, workflows: WORKFLOWS, withinMs: WITHIN_MS },
    ...(bug === undefined ? {} : { bug }),
    ...(say === undefined ? {} : { say }),
  });
  const { time, trace, judge } = world;
  const { tables } = world.database.memory;
  const random = world.random('restore');
  await live(world, COPIED_AT_MS + random.next() * 4_000);
  const copy = structuredClone(tables);
  await live(world, 200 + random.next() * 1_500);
  await stop(world);
  const violations = [...judge.violations];
  const [covered, published] = [coveredBy(world), messagesIn(world)];
  const isLost = covered > copy.events.length;
  await restoreAndGrow(world, copy, covered);
  const isGrown = tables.events.length > covered;
  await time.runUntil(time.now + NOTICED_MS_MAX, () => isNoticed(world));
  await time.runUntil(time.now + SETTLES_MS);
  if (isLost && !isNoticed(world)) violations.push('regressed: nobody noticed that the log is another one');
  if (isLost && messagesIn(world) > published) violations.push('regressed: the stream was extended from another log');
  return {
    ...{ seed, violations, hash: trace.hash(), workflows: tables.workflows.size, events: tables.events.length },
    ...{ faults: Number(isLost && isGrown), epochs: tables.epoch.epoch },
    ...{ simulatedMs: Math.round(time.now), happenings: time.count, lastLines: trace.last(LINES) },
  };
}

/** Ends everything but the gateways; what is on its way arrives. */
async function stop(world: World): Promise<void> {
  for (const host of world.hosts) if (host.kind !== 'gateway') world.crash(host);
  world.database.endSession();
  await live(world, SETTLES_MS);
}

async function restoreAndGrow(world: World, copy: Tables, past: number): Promise<void> {
  const { hosts, database, time, trace } = world;
  const { tables } = database.memory;
  trace.note('postgres', `is restored: its log ends at ${String(copy.events.length)}, the stream at ${String(past)}`);
  restore(tables, copy);
  database.isLeadTaken = true;
  for (const host of hosts) if (host.kind === 'replica' || host.kind === 'engine') world.start(host);
  await time.runUntil(time.now + LEADERLESS_MS_MAX, () => tables.events.length > past);
  trace.note('postgres', `anybody may lead; the log ends at ${String(tables.events.length)}`);
  database.isLeadTaken = false;
}
