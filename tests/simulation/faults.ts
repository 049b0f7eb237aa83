import type { SeededRandom } from '@taskmaster/testing';
import { CALM, type Host, type World } from './world.js';

type Fault = (world: World, random: SeededRandom) => void;

/** An engine is both. */
const are =
  (wanted: Host['kind']) =>
  ({ kind }: Host): boolean =>
    kind === wanted || (kind === 'engine' && wanted !== 'gateway');
const replicas = (world: World): readonly Host[] => world.hosts.filter(are('replica'));
const running = (hosts: readonly Host[]): readonly Host[] => hosts.filter(({ life }) => !life.isOver && !life.isPaused);

function crash(kind: Host['kind']): Fault {
  return (world, random) => {
    const there = running(world.hosts.filter(are(kind)));
    if (there.length === 0) return;
    const host = random.pick(there);
    world.crash(host);
    world.time.after(random.next() * 4_000, () => world.start(host));
  };
}

/** Stops a process and lets it go on long after others took over; half of the time its session is ended meanwhile. */
function pause(kind: Host['kind']): Fault {
  return (world, random) => {
    const there = running(world.hosts.filter(are(kind)));
    if (there.length === 0) return;
    const host = random.pick(there);
    const { life } = host;
    const forMs = 300 + random.next() * 9_000;
    world.trace.note(host.name, `is paused for ${forMs.toFixed(0)} ms`);
    life.pause();
    if (random.chance(0.7))
      world.time.after(forMs * random.next(), () => {
        if (world.database.leaderName === host.name) world.database.endSession();
      });
    world.time.after(forMs, () => {
      world.trace.note(host.name, 'wakes');
      life.resume();
    });
  };
}

const crashLeader: Fault = (world, random) => {
  const leader = running(replicas(world)).find(({ name }) => name === world.database.leaderName);
  if (leader === undefined) return;
  world.crash(leader);
  world.time.after(random.next() * 4_000, () => world.start(leader));
};

const endSession: Fault = (world) => {
  world.trace.note('postgres', `ends the session of ${world.database.leaderName ?? 'nobody'}`);
  world.database.endSession();
};

const stopPostgres: Fault = (world, random) => {
  if (!world.database.isUp) return;
  world.trace.note('postgres', 'stops');
  world.database.stop();
  world.time.after(50 + random.next() * 4_000, () => world.database.start());
};

function restartBroker(world: World, forMs: number, meanwhile: () => void): void {
  if (!world.server.isUp) return;
  world.stopBroker();
  meanwhile();
  world.time.after(forMs, () => world.startBroker());
}

const restart: Fault = (world, random) => restartBroker(world, 30 + random.next() * 3_000, () => undefined);
const away: Fault = (world, random) => restartBroker(world, 5_000 + random.next() * 10_000, () => undefined);
const wipe: Fault = (world, random) =>
  restartBroker(world, 30 + random.next() * 1_500, () => {
    world.trace.note('nats', 'loses its disk');
    world.replaceDisk({ at: world.time.now, disk: new Map(), known: world.judge.remember() });
  });

/** The disk is an older one; now and then its consumers are newer than its streams. */
const rollBack: Fault = (world, random) => {
  if (world.copies.length === 0) return;
  const copy = random.pick(world.copies);
  const ahead = random.chance(0.3);
  restartBroker(world, 30 + random.next() * 1_500, () => {
    world.trace.note('nats', `is rolled back to ${copy.at.toFixed(0)}${ahead ? ', but for its consumers' : ''}`);
    const now = world.server.copy();
    const disk = new Map(
      [...copy.disk].map(([name, stream]) => [
        name,
        {
          ...stream,
          messages: new Map(stream.messages),
          consumers: new Map((ahead ? now.get(name) : undefined)?.consumers ?? stream.consumers),
        },
      ]),
    );
    world.replaceDisk({ ...copy, disk });
    // What was kept of the disk is used up: its consumers live on in the new one.
    world.copies.length = 0;
  });
};

/** One message in the middle is unreadable. */
const hole: Fault = (world, random) => {
  const [name, stream] = [...world.server.disk][0] ?? [];
  const inner = [...(stream?.messages.keys() ?? [])].slice(1, -1);
  if (stream === undefined || inner.length === 0) return;
  const sequence = random.pick(inner);
  world.trace.note('nats', `${name ?? ''} loses ${String(sequence)}`);
  world.server.lose(name ?? '', sequence);
};

const storm: Fault = (world, random) => {
  const network = {
    delayMs: 1 + random.next() * 20,
    slow: random.next() * 0.1,
    slowMs: 2_000,
    lost: random.next() * 0.1,
    doubled: random.next() * 0.1,
  };
  world.trace.note('network', 'storm');
  world.weather = { ...world.weather, network };
  world.time.after(500 + random.next() * 5_000, () => {
    world.weather = { ...world.weather, network: CALM.network };
  });
};

const slowDatabase: Fault = (world, random) => {
  const database = { statementMs: 2 + random.next() * 30, slow: random.next() * 0.1, slowMs: 1_500, broken: random.next() * 0.1 };
  world.trace.note('postgres', 'is slow');
  world.weather = { ...world.weather, database };
  world.time.after(500 + random.next() * 5_000, () => {
    world.weather = { ...world.weather, database: CALM.database };
  });
};

const clockJump: Fault = (world, random) => {
  const bySeconds = (random.next() - 0.5) * 30;
  if (random.chance(0.3)) {
    world.trace.note('postgres', `its clock jumps by ${bySeconds.toFixed(1)} s`);
    world.database.skewMs += bySeconds * 1_000;
    return;
  }
  const host = random.pick(replicas(world));
  world.trace.note(host.name, `its clock jumps by ${bySeconds.toFixed(1)} s`);
  host.life.skewMs += bySeconds * 1_000;
};

const carelessness: Fault = (world, random) => {
  const diligence = { workMs: 50 + random.next() * 2_000, forgets: random.next() * 0.3, fails: random.next() * 0.3 };
  world.trace.note('workers', 'are careless');
  world.weather = { ...world.weather, diligence };
};

/** Every fault with how often it comes, compared with the others. */
export const FAULTS: Readonly<Record<string, { readonly weight: number; readonly fault: Fault }>> = {
  'crash-replica': { weight: 4, fault: crash('replica') },
  'crash-leader': { weight: 4, fault: crashLeader },
  'crash-worker': { weight: 4, fault: crash('worker') },
  'crash-gateway': { weight: 2, fault: crash('gateway') },
  'pause-replica': { weight: 3, fault: pause('replica') },
  'pause-worker': { weight: 3, fault: pause('worker') },
  'end-session': { weight: 2, fault: endSession },
  'stop-postgres': { weight: 2, fault: stopPostgres },
  'restart-broker': { weight: 2, fault: restart },
  'broker-away': { weight: 0.5, fault: away },
  'wipe-broker': { weight: 1, fault: wipe },
  'roll-back-broker': { weight: 2, fault: rollBack },
  hole: { weight: 1, fault: hole },
  storm: { weight: 4, fault: storm },
  'slow-database': { weight: 4, fault: slowDatabase },
  'clock-jump': { weight: 2, fault: clockJump },
  carelessness: { weight: 3, fault: carelessness },
};

const COPY_EVERY_MS = 700;

/** Lets faults happen until it is stopped. Every run has a mixture of its own: some kinds often, some never. */
export class FaultMaker {
  count = 0;
  private isStopped = false;

  constructor(
    private readonly world: World,
    private readonly random: SeededRandom,
  ) {
    const chosen = Object.values(FAULTS)
      .filter(() => random.chance(0.6))
      .map(({ weight, fault }) => ({ fault, weight: weight * random.next() }));
    const everyMs = 300 + random.next() * 2_500;
    this.next(chosen, everyMs);
    this.copy();
  }

  /** No more faults; what is broken is mended, what is down starts, clocks are right. */
  heal(): void {
    const { world } = this;
    this.isStopped = true;
    world.trace.note('world', 'heals');
    world.weather = CALM;
    world.database.skewMs = 0;
    if (!world.database.isUp) world.database.start();
    world.startBroker();
    for (const host of world.hosts) {
      host.life.skewMs = 0;
      if (host.life.isPaused) host.life.resume();
      world.start(host);
    }
  }

  private next(chosen: readonly { readonly fault: Fault; readonly weight: number }[], everyMs: number): void {
    if (chosen.length === 0) return;
    this.world.time.after(everyMs * (0.2 + 1.6 * this.random.next()), () => {
      if (this.isStopped) return;
      let left = this.random.next() * chosen.reduce((sum, { weight }) => sum + weight, 0);
      const picked = chosen.find(({ weight }) => (left -= weight) <= 0) ?? chosen[0];
      this.count += 1;
      picked?.fault(this.world, this.random);
      this.next(chosen, everyMs);
    });
  }

  private copy(): void {
    this.world.time.after(COPY_EVERY_MS * (0.5 + this.random.next()), () => {
      if (this.isStopped) return;
      if (this.world.server.isUp) this.world.keepCopy();
      this.copy();
    });
  }
}
