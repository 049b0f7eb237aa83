import type { Timers } from '@taskmaster/messaging';
import type { NatsConnection } from 'nats';

/** A broker with JetStream and two connections to it, real or simulated: all that the contract asks of either. */
export interface BrokerUnderTest {
  readonly connection: NatsConnection;
  /** Another process's. */
  readonly other: NatsConnection;
  /** Whether it is newer than 2.9, which does some things otherwise; the simulated one is like 2.9. */
  readonly isNewer: boolean;
  /** The time in which it lives. */
  readonly timers: Timers;
  /** Lets time pass until the condition gives something truthy, and gives that. An exception means "not yet". */
  eventually<T>(condition: () => T | Promise<T>, what: string): Promise<NonNullable<T>>;
  /** Lets time pass until the promise is settled. */
  settle<T>(promise: Promise<T>): Promise<T>;
  /** One more connection. */
  connect(): Promise<NatsConnection>;
  /** Ends it in order; its disk stays. */
  stop(): Promise<void>;
  /** Starts it with what is on its disk, and returns when the two connections are made again and JetStream answers. */
  start(): Promise<void>;
  /** Loses its disk and starts again. */
  wipe(): Promise<void>;
  /** Loses one message, as a damaged disk does. */
  lose(stream: string, sequence: number): Promise<void>;
  /** Copies the messages of a stream. @returns what puts the copy in their place, the consumers as they are, between a stop and a start */
  copyMessages(stream: string): Promise<() => Promise<void>>;
  close(): Promise<void>;
}
