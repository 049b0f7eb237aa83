import { DatabaseUnavailable, type EventStore, type Leadership, type OpenWork } from '@taskmaster/event-log';
import { InMemoryDatabase } from '@taskmaster/event-log/in-memory';
import type { EpochStore } from '@taskmaster/messaging';
import type { SeededRandom } from '@taskmaster/testing';
import type { Life } from './life.js';
import type { Trace } from './trace.js';
import { EPOCH_MS, type VirtualTime } from './virtual-time.js';

/** How the database treats statements. Times in milliseconds, shares from 0 to 1. */
export interface DatabaseWeather {
  readonly statementMs: number;
  readonly slow: number;
  readonly slowMs: number;
  /** Share of statements whose connection breaks, before or after they have run. */
  readonly broken: number;
}

/** The ports of one process to the database. */
export interface DatabasePorts {
  readonly store: EventStore;
  readonly openWork: OpenWork;
  readonly epochs: EpochStore;
  readonly lead: (onCommit: () => void) => Promise<Leadership | undefined>;
}

/** Replaces ports by others around them: how a planted bug gets in. */
export type PortsChange = (ports: DatabasePorts, life: Life) => DatabasePorts;

interface Session {
  readonly life: Life;
  readonly onCommit: () => void;
  readonly end: () => void;
}

const NETWORK_TIMEOUT_MS = 1_000;

/** One Postgres: statements take time, their outcome may stay unknown, sessions hold the lead and end with it. */
export class SimulatedDatabase {
  readonly memory: InMemoryDatabase;
  /** How wrong the database's clock is. */
  skewMs = 0;
  isUp = true;
  /** Whether somebody outside of this world holds the lead. */
  isLeadTaken = false;
  private generation = 0;
  private leader: Session | undefined;

  constructor(
    private readonly time: VirtualTime,
    private readonly random: SeededRandom,
    private readonly trace: Trace,
    private readonly weather: () => DatabaseWeather,
  ) {
    this.memory = new InMemoryDatabase(
      () => Math.floor(EPOCH_MS + time.now + this.skewMs),
      () => this.notify(),
    );
  }

  /** The name of the process whose session holds the lead. */
  get leaderName(): string | undefined {
    return this.leader?.life.name;
  }

  stop(): void {
    this.isUp = false;
    this.generation += 1;
    this.endSession();
  }

  start(): void {
    this.isUp = true;
  }

  /** Ends the session that holds the lead, as the server does with a client that it takes for dead. */
  endSession(): void {
    const { leader } = this;
    this.leader = undefined;
    leader?.end();
  }

  portsFor(life: Life): DatabasePorts {
    const { store, openWork, epochs } = this.memory;
    return {
      store: this.remote(store, life, 'store'),
      openWork: this.remote(openWork, life, 'open work'),
      epochs: this.remote(epochs, life, 'epochs'),
      lead: (onCommit) => this.lead(life, onCommit),
    };
  }

  /** The same methods, over a network. */
  private remote<Port extends object>(port: Port, life: Life, what: string): Port {
    return new Proxy(port, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== 'function') return method;
        return (...given: unknown[]) =>
          this.statement(life, `${what}.${String(name)}`, () => (method as (...all: unknown[]) => Promise<unknown>).apply(target, given));
      },
    });
  }

  private statement<T>(life: Life, what: string, run: () => Promise<T>): Promise<T> {
    const { time, generation } = this;
    return new Promise((resolve, reject) => {
      const fail = (detail: string): void => life.deliver(() => reject(new DatabaseUnavailable(`${what}: ${detail}`)));
      const isBroken = this.random.chance(this.weather().broken);
      time.after(this.delay(), () => {
        const ran = this.isUp && generation === this.generation && (!isBroken || this.random.chance(0.5));
        if (!ran) {
          time.after(this.isUp ? 1 : NETWORK_TIMEOUT_MS * this.random.next(), () => fail('the connection broke'));
          return;
        }
        run().then(
          (value) => {
            time.after(this.delay(), () => {
              if (isBroken || generation !== this.generation) fail('the connection broke after the statement was sent');
              else life.deliver(() => resolve(value));
            });
          },
          (error: unknown) => life.deliver(() => reject(error instanceof Error ? error : new Error(String(error)))),
        );
      });
    });
  }

  private lead(life: Life, onCommit: () => void): Promise<Leadership | undefined> {
    let given: Leadership | undefined;
    const asked = this.statement(life, 'the lead', () => {
      given = this.tryLead(life, onCommit);
      return Promise.resolve(given);
    });
    return asked.catch(async () => {
      // The session ends with its connection.
      await given?.release();
      return undefined;
    });
  }

  private tryLead(life: Life, onCommit: () => void): Leadership | undefined {
    if (this.leader !== undefined || this.isLeadTaken || life.isOver) return undefined;
    let settle: () => void = () => undefined;
    const lost = new Promise<void>((resolve) => {
      settle = resolve;
    });
    let alive = true;
    const session: Session = {
      life,
      onCommit,
      end: () => {
        // What the server ended, the client hears of when its packets come.
        this.time.after(this.delay(), () =>
          life.deliver(() => {
            alive = false;
            settle();
          }),
        );
      },
    };
    this.leader = session;
    this.trace.note('postgres', `${life.name} leads`);
    const release = (): Promise<void> => {
      if (this.leader === session) this.leader = undefined;
      alive = false;
      settle();
      return Promise.resolve();
    };
    life.onEnd(() => {
      if (this.leader === session) this.leader = undefined;
    });
    const check = async (): Promise<boolean> => {
      const held = await this.statement(life, 'the lead', () => Promise.resolve(this.leader === session)).catch(() => false);
      if (!held) await release();
      return alive;
    };
    return { lost, check, release };
  }

  private notify(): void {
    const { leader } = this;
    if (leader === undefined) return;
    this.time.after(this.delay(), () => leader.life.deliver(() => leader.onCommit()));
  }

  private delay(): number {
    const { statementMs, slow, slowMs } = this.weather();
    return this.random.chance(slow) ? this.random.next() * slowMs : (statementMs / 2) * (0.5 + this.random.next());
  }
}
