import { inboxPrefixOf } from '@taskmaster/contracts';
import { connect, createInbox, Events, type NatsConnection } from 'nats';
import { Outbox } from './outbox.js';
import { Silence } from './silence.js';

const RECONNECT_WAIT_MS = 50;
/** The client does not notice a server that dies between its greeting and its first answer, and would wait 20 s for it. */
const DIAL_MS_MAX = 2_000;
/** A server that hangs, or is cut off, is given up after two of these, for another one or for the same when it answers again. */
const PING_INTERVAL_MS = 2_000;
const RTT_LIMIT_MS = 1_000;

/** Where a connection's replies go; a user of the broker may read its own only. */
const inboxPrefixes = new WeakMap<NatsConnection, string>();
export const inboxFor = (connection: NatsConnection): string => createInbox(inboxPrefixes.get(connection));

/** How often somebody who waits for the broker at its start says so. */
const WAITING_MS = 5_000;

export interface BrokerOptions {
  readonly url: string;
  readonly name: string;
  /** Told again and again, while the first connection cannot be made, of the servers that are waited for. */
  readonly onWaiting?: (servers: string) => void;
  readonly waitingMs?: number;
}

/** Connects, waiting for the broker as long as it takes, and reconnects for ever within 100 ms. */
export async function connectBroker(options: BrokerOptions): Promise<NatsConnection> {
  const { servers, user, pass, token } = addressOf(options.url);
  const inboxPrefix = inboxPrefixOf(options.name);
  const waiting = setInterval(() => options.onWaiting?.(servers.join(',')), options.waitingMs ?? WAITING_MS);
  const connecting = connect({
    inboxPrefix,
    servers,
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(token === undefined ? {} : { token }),
    name: options.name,
    waitOnFirstConnect: true,
    timeout: DIAL_MS_MAX,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_WAIT_MS,
    reconnectJitterTLS: RECONNECT_WAIT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    // A stack for every request would be the dearest part of it.
    noAsyncTraces: true,
    // A server that restarts without its users for a moment is no reason to give up.
    ignoreAuthErrorAbort: true,
  });
  const connection = await connecting.finally(() => clearInterval(waiting));
  inboxPrefixes.set(connection, inboxPrefix);
  Outbox.open(connection);
  Silence.watch(connection, servers.length);
  return connection;
}

interface Address {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
}

/** The client does not read credentials out of a URL; several servers are separated by commas and share the first one's credentials. */
function addressOf(urls: string): Address {
  const parsed = urls.split(',').map((url) => new URL(url.includes('://') ? url.trim() : `nats://${url.trim()}`));
  const servers = parsed.map((url) => `${url.protocol}//${url.host}`);
  const [first] = parsed;
  if (first === undefined || first.username === '') return { servers };
  const user = decodeURIComponent(first.username);
  return first.password === '' ? { servers, token: user } : { servers, user, pass: decodeURIComponent(first.password) };
}

/** Calls back after every reconnect until the connection is closed. */
export async function onReconnect(connection: NatsConnection, callback: () => void): Promise<void> {
  for await (const { type } of connection.status()) if (type === Events.Reconnect) callback();
}

export interface BrokerHealth {
  readonly status: 'up' | 'down';
  readonly detail: string;
}

/** Whether the broker answers within a second. */
export async function brokerHealth(connection: NatsConnection): Promise<BrokerHealth> {
  if (connection.isClosed()) return { status: 'down', detail: 'closed' };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), RTT_LIMIT_MS);
  });
  const roundTrip = await Promise.race([connection.rtt().catch(() => undefined), late]);
  clearTimeout(timer);
  if (roundTrip === undefined) return { status: 'down', detail: 'no answer' };
  return { status: 'up', detail: `nats-server ${connection.info?.version ?? 'of unknown version'}, ${String(roundTrip)} ms` };
}
