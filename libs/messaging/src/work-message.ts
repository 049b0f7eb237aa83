import type { Msg } from 'nats';

const ACK = '+ACK';
const WORKING = '+WPI';
const TERMINATE = '+TERM';
const NANOS_PER_MS = 1_000_000;

/** One delivery of one message; the client's own wrapper is not exported and does more than we need. */
export class WorkMessage {
  /** From 1. */
  readonly deliveries: number;
  #settled = false;

  constructor(readonly message: Msg) {
    this.deliveries = deliveriesOf(message.reply ?? '');
  }

  ack(): void {
    this.#settle(ACK);
  }

  /** Gives it back for later; never at once, or it would come again within 2 ms. */
  giveBack(delayMs: number): void {
    this.#settle(`-NAK {"delay":${String(Math.max(1, Math.round(delayMs)) * NANOS_PER_MS)}}`);
  }

  /** Ends it for good. Never with a reason: a 2.9 server ignores that and delivers again. */
  terminate(): void {
    this.#settle(TERMINATE);
  }

  working(): void {
    if (!this.#settled) this.message.respond(WORKING);
  }

  #settle(answer: string): void {
    if (this.#settled) return;
    this.#settled = true;
    this.message.respond(answer);
  }
}

/** `$JS.ACK.<stream>.<consumer>.<deliveries>…`, or with a domain and an account before the stream. */
function deliveriesOf(reply: string): number {
  const tokens = reply.split('.');
  return Number(tokens[tokens.length > 9 ? 6 : 4]) || 1;
}
