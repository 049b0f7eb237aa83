import type { AppendGroup, EventStore } from '@taskmaster/event-log';
import type { MsgHdrs, NatsConnection } from 'nats';
import type { Bug } from '../bug.js';
import type { DatabasePorts } from '../database.js';

export type Publish = (subject: string, payload: string, more?: { headers?: MsgHdrs; reply?: string }) => void;

/** The same connection, with another way to publish. */
export function publishing(connection: NatsConnection, publish: Publish): NatsConnection {
  return new Proxy(connection, { get: (target, name): unknown => (name === 'publish' ? publish : bound(target, name)) });
}

/** The same store, its groups changed on the way in. */
export const changingGroups =
  (change: (group: AppendGroup) => AppendGroup): NonNullable<Bug['ports']> =>
  (ports) =>
    appending(ports, (groups, wake) => ports.store.append(groups.map(change), wake));

export const withOpenWork = (ports: DatabasePorts, change: Partial<DatabasePorts['openWork']>): DatabasePorts => ({
  ...ports,
  openWork: new Proxy(ports.openWork, {
    get: (target, name): unknown => bound(Object.hasOwn(change, name) ? change : target, name),
  }),
});

/** The same store, with another append. */
export const appending = (ports: DatabasePorts, append: EventStore['append']): DatabasePorts => ({
  ...ports,
  store: new Proxy(ports.store, { get: (target, name) => (name === 'append' ? append : bound(target, name)) }),
});

export const storeOf = (store: EventStore): EventStore => ({
  append: (groups, wake) => store.append(groups, wake),
  readStream: (stream, after) => store.readStream(stream, after),
  readStreams: (wanted) => store.readStreams(wanted),
  readAll: (after, limit) => store.readAll(after, limit),
  head: () => store.head(),
  readSnapshots: (streams, reducer) => store.readSnapshots(streams, reducer),
  writeSnapshot: (snapshot, reducer) => store.writeSnapshot(snapshot, reducer),
});

export function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name);
  return typeof value === 'function' ? (value.bind(target) as unknown) : value;
}
