import type { CommandId } from '@taskmaster/contracts';
import type { NatsConnection } from 'nats';
import type { Wish } from './clients.js';
import type { PortsChange } from './database.js';
import type { Life } from './life.js';
import type { ReplicaChange } from './state-replica.js';
import type { WorkerChange } from './worker.js';

/** A mistake that an engineer could make, planted from outside: around a port, or in the wiring of a simulated process. */
export interface Bug {
  readonly name: string;
  /** What is wrong, in a sentence. */
  readonly mistake: string;
  /** What happens to the world: faults of every kind, unless it says that the database is restored. */
  readonly scenario?: 'restore';
  readonly ports?: PortsChange;
  readonly replica?: ReplicaChange;
  readonly worker?: WorkerChange;
  /** Around the connection of a state-service or a worker. */
  readonly connection?: (connection: NatsConnection, life: Life) => NatsConnection;
  /** The command id of what a person asks for. `fresh` is different every time. */
  readonly idOf?: (wish: Wish, fresh: () => number) => CommandId;
}
