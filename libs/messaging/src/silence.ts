import type { NatsConnection } from 'nats';

/** How long nobody may answer at one server of several before another one is tried; longer than a restart of whoever should answer. */
export const SILENCE_MS_MAX = 5_000;
/** Further apart, two answers that are missing are not one silence; whoever is not answered asks again sooner. */
const GAP_MS_MAX = 2 * SILENCE_MS_MAX;

const silences = new WeakMap<NatsConnection, Silence>();

/**
 * Takes a connection to another server when what is asked at this one is not answered. A node that is cut off from the others of its cluster
 * answers pings, so nothing else would notice: services that are connected to it would wait until it is back.
 */
export class Silence {
  #since: number | undefined;
  #last = 0;

  private constructor(private readonly connection: NatsConnection) {}

  /** Undefined where there is no other server to try. */
  static of(connection: NatsConnection): Silence | undefined {
    return silences.get(connection);
  }

  static watch(connection: NatsConnection, servers: number): void {
    if (servers > 1) silences.set(connection, new Silence(connection));
  }

  /** Somebody answered. */
  end(): void {
    this.#since = undefined;
  }

  /** Something was not answered, or refused because nobody is there. @returns whether another server is tried */
  note(now = performance.now()): boolean {
    // What nobody asked for in between was not refused either.
    if (this.#since === undefined || now - this.#last > GAP_MS_MAX) this.#since = now;
    this.#last = now;
    if (now - this.#since < SILENCE_MS_MAX) return false;
    this.#since = undefined;
    // Whoever closes it meanwhile needs no other server.
    if (!this.connection.isClosed()) this.connection.reconnect().catch(() => undefined);
    return true;
  }
}
