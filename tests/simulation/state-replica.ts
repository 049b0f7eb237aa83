import { SUBJECT_COMMANDS, subjectOfQuery, type CommandDoor, type CommandEnvelope, type QueryOf } from '@taskmaster/contracts';
import { NatsStrategy, onReconnect, WorkStream, STREAM_SETTINGS_DEFAULT } from '@taskmaster/messaging';
import {
  AdmissionReactor,
  ChildrenReactor,
  CommandHandler,
  CommandsController,
  LocalWork,
  RelayWorker,
  Sweeper,
  SweepWorker,
  type Commit,
} from '@taskmaster/state-service';
import type { NatsConnection } from 'nats';
import type { DatabasePorts } from './database.js';
import type { Life } from './life.js';

type Handle = CommandHandler['handle'];

/** What one state-service is made from. Every field may be replaced by another around it: how a planted bug gets in. */
export interface ReplicaParts {
  readonly life: Life;
  readonly connection: NatsConnection;
  readonly ports: DatabasePorts;
  readonly slotsMax: number;
  readonly note: (what: string) => void;
}

/** The hooks of a replica that a planted bug may change. */
export interface ReplicaChange {
  readonly handle?: (envelope: CommandEnvelope, handler: CommandHandler, parts: ReplicaParts) => ReturnType<Handle>;
  readonly offer?: (commit: Commit) => Commit;
  readonly stream?: (stream: WorkStream, parts: ReplicaParts) => Pick<WorkStream, 'open' | 'publish' | 'check' | 'close'>;
  readonly handler?: (handler: CommandHandler, parts: ReplicaParts) => void;
  readonly sweepsSteps?: boolean;
  readonly admits?: boolean;
}

/** What a worker in the same process is given, and gives. */
export interface RunningReplica {
  readonly door: CommandDoor;
  readonly here: LocalWork;
}

/** Wires one state-service from the product's own parts, as `openStateService` does, and opens its doors. */
export function startReplica(parts: ReplicaParts, change: ReplicaChange = {}): RunningReplica {
  const { life, connection, ports, slotsMax, note } = parts;
  const { timers } = life;
  const { store, openWork, epochs, lead } = ports;
  const { handle } = change;
  const send: Handle = (envelope, onReadied) =>
    handle === undefined ? handler.handle(envelope, onReadied) : handle(envelope, handler, parts);
  const onFault = (error: unknown): void => note(`admission failed: ${String(error)}`);
  const admission = new AdmissionReactor({ openWork, slotsMax, send, onFault });
  const children = new ChildrenReactor({
    today: (streams) => handler.loader.refresh(streams),
    ...{ openWork, send, clock: life.clock },
    onFault: (error) => note(`a child was not brought on: ${String(error)}`),
  });
  const here = new LocalWork();
  const handler: CommandHandler = new CommandHandler({
    store,
    slotsMax,
    clock: life.clock,
    soon: timers.soon,
    leads: () => relay.leads,
    takesHere: (notice) => here.takes(notice),
    onCommitted: (commit) => {
      relay.offer(change.offer?.(commit) ?? commit);
      children.onCommitted(commit);
    },
    onQuotas: (quotas) => {
      if (change.admits !== false) admission.onQuotas(quotas);
    },
    onFault: ({ detail }) => note(`fault: ${detail}`),
  });
  change.handler?.(handler, parts);
  const log = (what: string, fields: Readonly<Record<string, unknown>>): void => note(`${what} ${describe(fields)}`);
  const sweeper = new Sweeper({
    children: (due) => children.onDue(due),
    ...{ openWork, send },
    publishes: () => relay.leads,
    republish: (notices) => relay.republish(notices),
  });
  const sweeps = new SweepWorker({
    steps: () => (change.sweepsSteps === false ? Promise.resolve() : sweeper.steps()),
    workflows: () => sweeper.workflows(),
    admission: () => (change.admits === false ? Promise.resolve() : admission.sweep()),
    log,
    timers,
  });
  const stream = new WorkStream(connection, STREAM_SETTINGS_DEFAULT, undefined, timers);
  const onRegressed = (error: Error): void => note(`STOPS: ${error.message}`);
  const relay: RelayWorker = new RelayWorker({
    ...{ lead, store, openWork, epochs, sweeps, onRegressed, log, timers },
    stream: change.stream?.(stream, parts) ?? stream,
  });
  void onReconnect(connection, () => relay.reconnected());
  const door = openDoors(parts, send);
  relay.start();
  return { door, here };
}

function openDoors({ connection, life, ports, note }: ReplicaParts, send: Handle): CommandDoor {
  const onFailure = (what: string, error: unknown): void => note(`${what} failed: ${String(error)}`);
  const strategy = new NatsStrategy({ connection, timers: life.timers, onFailure });
  // No request of a simulation is long enough to be stored aside.
  const commands = new CommandsController({ handle: send } as CommandHandler, undefined as never);
  strategy.addHandler(SUBJECT_COMMANDS, (request: unknown) => commands.handle(request));
  strategy.addHandler(subjectOfQuery('RenewLeases'), async ({ renewals }: QueryOf<'RenewLeases'>) => ({
    answer: { answers: await ports.openWork.renewLeases(renewals) },
  }));
  strategy.listen((error) => {
    if (error !== undefined) note(`does not listen: ${String(error)}`);
  });
  return commands;
}

const describe = (fields: Readonly<Record<string, unknown>>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${value instanceof Error ? value.message : String(value)}`)
    .join(' ');
