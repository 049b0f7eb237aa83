import { clientCommandId, type CommandId, type CommandSender } from '@taskmaster/contracts';
import { LocalCommandSender, type OwnWork } from '@taskmaster/messaging';
import { seededRandom, type SeededRandom } from '@taskmaster/testing';
import type { NatsConnection } from 'nats';
import { SimulatedConnection, type NetworkWeather } from './broker/connection.js';
import type { Disk } from './broker/jetstream.js';
import { SimulatedServer } from './broker/server.js';
import type { Bug } from './bug.js';
import { Clients, openGateway, type Gateway, type Wish } from './clients.js';
import { SimulatedDatabase, type DatabaseWeather } from './database.js';
import { Judge } from './judge/judge.js';
import type { StreamRules } from './judge/stream-rules.js';
import { Life } from './life.js';
import { anyWishes } from './load.js';
import { startReplica, type RunningReplica } from './state-replica.js';
import { Trace } from './trace.js';
import { VirtualTime } from './virtual-time.js';
import { startWorker, type Diligence, type Sessions } from './worker.js';

/** A place where a process runs, dies and is started again. */
export interface Host {
  readonly name: string;
  /** An engine is a replica and a worker in one process. */
  readonly kind: 'replica' | 'worker' | 'engine' | 'gateway';
  life: Life;
}

/** An older state of the broker's disk, and what the judge knew then. */
export interface DiskCopy {
  readonly at: number;
  readonly disk: Disk;
  readonly known: StreamRules;
}

export interface Weather {
  network: NetworkWeather;
  database: DatabaseWeather;
  diligence: Diligence;
}

export const CALM: Weather = {
  network: { delayMs: 0.5, slow: 0, slowMs: 0, lost: 0, doubled: 0 },
  database: { statementMs: 2, slow: 0, slowMs: 0, broken: 0 },
  diligence: { workMs: 200, forgets: 0, fails: 0 },
};

export interface WorldOptions {
  readonly seed: number;
  readonly bug?: Bug;
  /** Told of every line of the trace. */
  readonly say?: (line: string) => void;
  /** Workflows that people ask for, and over how long. */
  readonly workflows: number;
  readonly withinMs: number;
}

const REPLICAS = ['state-1', 'state-2', 'state-3'];
const WORKERS = ['worker-1', 'worker-2', 'worker-3'];
const GATEWAYS = ['gateway-1', 'gateway-2'];
/** In some worlds some are one process, as on one machine. */
const ENGINES = ['engine-1', 'engine-2'];
const WITH_ENGINES = 0.3;
/** Copies of the broker's disk that are kept, one every so often. */
const COPIES_MAX = 12;

/** One run's world: a database, a broker, processes on hosts, people, and a judge who sees everything. */
export class World {
  readonly time = new VirtualTime();
  readonly trace: Trace;
  readonly database: SimulatedDatabase;
  readonly server: SimulatedServer;
  readonly judge: Judge;
  readonly clients: Clients;
  readonly hosts: readonly Host[];
  readonly copies: DiskCopy[] = [];
  readonly slotsMax: number;
  readonly asked = new Set<string>();
  weather: Weather = CALM;
  private readonly connections = new Map<Life, SimulatedConnection[]>();
  private readonly gateways = new Map<string, Gateway>();
  private readonly sessions = new Map<string, Sessions>();
  private lives = 0;
  private connected = 0;

  constructor(private readonly options: WorldOptions) {
    const { seed, say } = options;
    this.trace = new Trace(() => this.time.now, say);
    this.slotsMax = this.random('slots').integer(2, 4);
    this.database = new SimulatedDatabase(this.time, this.random('database'), this.trace, () => this.weather.database);
    this.judge = new Judge(this.database.memory.tables, this.trace, this.slotsMax);
    this.server = new SimulatedServer(this.time, this.random('server'), this.trace, this.judge);
    this.trace.note('seed', String(seed));
    const engines = this.random('shape').chance(WITH_ENGINES) ? ENGINES : [];
    this.hosts = [
      ...engines.map((name) => this.host(name, 'engine')),
      ...REPLICAS.slice(engines.length).map((name) => this.host(name, 'replica')),
      ...WORKERS.slice(engines.length).map((name) => this.host(name, 'worker')),
      ...GATEWAYS.map((name) => this.host(name, 'gateway')),
    ];
    const wishes = anyWishes({
      random: this.random('load'),
      children: this.random('children'),
      workflows: options.workflows,
      withinMs: options.withinMs,
    });
    this.clients = new Clients(
      {
        ...{ time: this.time, random: this.random('people') },
        gateways: () => [...this.gateways.values()],
        idOf: (wish) => this.idOf(wish),
        note: (what) => this.trace.note('people', what),
      },
      wishes,
    );
    for (const wish of wishes) this.asked.add(clientCommandId(wish.tenantId, wish.key));
  }

  /** Randomness of its own for each purpose, so that one does not disturb another. */
  random(purpose: string): SeededRandom {
    let mixed = this.options.seed >>> 0;
    for (const letter of purpose) mixed = Math.imul(mixed ^ letter.charCodeAt(0), 0x9e3779b1) >>> 0;
    return seededRandom(mixed);
  }

  /** Ends what runs on a host; nothing of it comes back but what is on its disk. */
  crash(host: Host): void {
    if (host.life.isOver) return;
    this.trace.note(host.name, 'dies');
    host.life.end();
    this.connections.delete(host.life);
  }

  start(host: Host): void {
    if (!host.life.isOver) return;
    host.life = this.begin(host.name, host.kind);
  }

  stopBroker(): void {
    if (!this.server.isUp) return;
    this.trace.note('nats', 'stops');
    this.server.stop();
    for (const connection of [...this.connections.values()].flat()) this.time.after(1, () => connection.disconnected());
  }

  startBroker(): void {
    if (this.server.isUp) return;
    this.trace.note('nats', 'starts');
    this.server.start();
  }

  /** Puts another disk into the broker, which must be down. */
  replaceDisk(copy: DiskCopy): void {
    this.server.disk = copy.disk;
    this.judge.restored(copy.disk, copy.known);
  }

  /** An older copy is kept now and then, to roll back to. */
  keepCopy(): void {
    this.copies.push({ at: this.time.now, disk: this.server.copy(), known: this.judge.remember() });
    if (this.copies.length > COPIES_MAX) this.copies.shift();
  }

  private host(name: string, kind: Host['kind']): Host {
    return { name, kind, life: this.begin(name, kind) };
  }

  private begin(name: string, kind: Host['kind']): Life {
    this.lives += 1;
    const life = new Life(name, this.time, this.random(`life ${String(this.lives)}`));
    this.trace.note(name, 'starts');
    this.connections.set(life, []);
    this.boot(kind, life);
    return life;
  }

  private connect(life: Life): NatsConnection {
    this.connected += 1;
    const connection = new SimulatedConnection({
      ...{ life, time: this.time, server: this.server },
      random: this.random(`connection ${String(this.connected)}`),
      weather: () => this.weather.network,
      serial: this.connected,
    });
    this.connections.get(life)?.push(connection);
    return this.options.bug?.connection?.(connection.asClient(), life) ?? connection.asClient();
  }

  private boot(kind: Host['kind'], life: Life): void {
    const note = (what: string): void => {
      this.trace.note(life.name, what);
      if (what.startsWith('STOPS')) this.judge.broken('regressed', what);
    };
    if (kind === 'gateway') {
      this.gateways.set(life.name, openGateway(life, this.connect(life)));
      return;
    }
    const replica = kind === 'worker' ? undefined : this.bootReplica(life, note);
    if (kind === 'replica') return;
    const own = this.bootWorker(life, note, replica === undefined ? undefined : new LocalCommandSender(replica.door, life.timers));
    replica?.here.worksHere(own);
  }

  private bootReplica(life: Life, note: (what: string) => void): RunningReplica {
    const { bug } = this.options;
    const ports = this.database.portsFor(life);
    const parts = { life, connection: this.connect(life), slotsMax: this.slotsMax, note, ports: bug?.ports?.(ports, life) ?? ports };
    return startReplica(parts, bug?.replica);
  }

  private bootWorker(life: Life, note: (what: string) => void, sender: CommandSender | undefined): OwnWork {
    const sessions: Sessions = this.sessions.get(life.name) ?? new Map<string, never>();
    this.sessions.set(life.name, sessions);
    const random = this.random(`work ${String(this.lives)}`);
    const { work: witness } = this.judge;
    const parts = { life, connection: this.connect(life), random, sessions, witness, note, diligence: () => this.weather.diligence };
    return startWorker({ ...parts, ...(sender === undefined ? {} : { sender }) }, this.options.bug?.worker);
  }

  private idOf(wish: Wish): CommandId {
    const drawn = this.options.bug?.idOf?.(wish, () => this.time.count);
    return drawn ?? clientCommandId(wish.tenantId, wish.key);
  }
}
