import type { NatsConnection } from 'nats';

/** What can wait for company waits at most this long; well below the second that the broker waits for an answer. */
const LATE_MS_MAX = 20;

const outboxes = new WeakMap<NatsConnection, Outbox>();

/**
 * What a process sends leaves in as few writes as possible, because each is a system call that wakes the broker: all of one turn of the
 * event loop in one, and what can wait together with what is sent next.
 */
export class Outbox {
  #late: (() => void)[] = [];
  #endTimer: (() => void) | undefined;

  private constructor(private readonly connection: NatsConnection) {}

  /** Of a connection that was opened; undefined for one whose client writes as it likes. */
  static of(connection: NatsConnection): Outbox | undefined {
    return outboxes.get(connection);
  }

  /** Takes over when the client writes. It flushes a microtask after the first message: three writes for one commit. */
  static open(connection: NatsConnection): void {
    // Not part of the client's types; a client without it just writes more often.
    const { protocol } = connection as unknown as { readonly protocol?: { flushPending?: () => void } };
    const flush = protocol?.flushPending?.bind(protocol);
    if (protocol === undefined || flush === undefined) return;
    const outbox = new Outbox(connection);
    outboxes.set(connection, outbox);
    let scheduled = false;
    protocol.flushPending = () => {
      if (scheduled) return;
      scheduled = true;
      // Runs once the microtasks of this turn have run, and before anything else is read.
      process.nextTick(() => {
        outbox.release();
        scheduled = false;
        flush();
      });
    };
  }

  /** Sends it together with what is sent next, soon in any case. */
  sendLate(send: () => void): void {
    this.#late.push(send);
    if (this.#endTimer !== undefined) return;
    const timer = setTimeout(() => this.release(), LATE_MS_MAX);
    this.#endTimer = () => clearTimeout(timer);
  }

  /** Sends what waits for company. */
  release(): void {
    this.#endTimer?.();
    this.#endTimer = undefined;
    if (this.#late.length === 0) return;
    const late = this.#late;
    this.#late = [];
    if (this.connection.isClosed()) return;
    for (const send of late) send();
  }
}
