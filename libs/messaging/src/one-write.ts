import type { NatsConnection } from 'nats';

/**
 * Lets everything that one turn of the event loop sends leave in one write. The client flushes a microtask after the first message, so
 * that the reply, the notices and the feed of one commit were three system calls, each of which wakes the broker.
 */
export function writeOncePerTurn(connection: NatsConnection): void {
  // Not part of the client's types; a client without it just writes more often.
  const { protocol } = connection as unknown as { readonly protocol?: { flushPending?: () => void } };
  const flush = protocol?.flushPending?.bind(protocol);
  if (protocol === undefined || flush === undefined) return;
  let scheduled = false;
  protocol.flushPending = () => {
    if (scheduled) return;
    scheduled = true;
    // Runs once the microtasks of this turn have run, and before anything else is read.
    process.nextTick(() => {
      scheduled = false;
      flush();
    });
  };
}
