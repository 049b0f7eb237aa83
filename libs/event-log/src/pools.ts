import pg from 'pg';
import { ANSWER_MS_MAX, beforeLimit, limitedSocket } from './answer-limit.js';
import { faultOf } from './faults.js';

/** Timestamps and JSON stay text: they are parsed once, where they are used, and hashed as they are. */
const RAW_TYPES: ReadonlySet<number> = new Set<number>([pg.types.builtins.TIMESTAMPTZ, pg.types.builtins.JSON]);

const asText = (value: string): string => value;

export const logTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: 'text' | 'binary'): unknown => {
    if (RAW_TYPES.has(oid)) return asText;
    if (oid === Number(pg.types.builtins.INT8)) return Number;
    return pg.types.getTypeParser(oid, format);
  },
};

export interface PoolsOptions {
  readonly url: string;
  /** A read replica for the read and analytics pools. */
  readonly readUrl?: string;
  /** Connections of this process, over all pools. */
  readonly size: number;
  /** What a statement may take; those of the analytics pool take longer. */
  readonly answerMsMax?: number;
  /** Told of every error on an idle connection; without a listener such an error ends the process. */
  readonly onError: (error: Error) => void;
}

/** 60 % of the connections read, 30 % write, 10 % do analytics; at least one each, at least two write. */
export interface Pools {
  readonly read: pg.Pool;
  readonly write: pg.Pool;
  readonly analytics: pg.Pool;
  /** Whether connections run as `taskmaster_service`; false where the role could not be created. */
  readonly restricted: boolean;
  /** Whether a backend is one of this process' write connections. */
  isOwnBackend(processId: number): boolean;
  close(): Promise<void>;
}

export const SERVICE_ROLE = 'taskmaster_service';
export const READER_ROLE = 'taskmaster_reader';

/** Statements that read the whole log. */
const ANALYTICS_ANSWER_MS_MAX = 300_000;
/** For how long a connection is kept that nobody uses. */
const IDLE_MS_MAX = 10_000;

/** Opens the pools. Every connection runs as the service role where that role exists and may be taken. */
export async function openPools({ url, readUrl, size, onError, answerMsMax = ANSWER_MS_MAX }: PoolsOptions): Promise<Pools> {
  const restricted = await mayTakeRole(url);
  const open = (connectionString: string, max: number, limitMs = answerMsMax): pg.Pool =>
    openPool({ connectionString, max, restricted, onError, answerMsMax: limitMs });
  const read = open(readUrl ?? url, Math.max(1, Math.round(size * 0.6)));
  const write = open(url, Math.max(2, Math.round(size * 0.3)));
  const analytics = open(readUrl ?? url, Math.max(1, Math.round(size * 0.1)), ANALYTICS_ANSWER_MS_MAX);
  const own = new Set<number>();
  write.on('connect', (client) => own.add(processIdOf(client)));
  write.on('remove', (client) => own.delete(processIdOf(client)));
  const close = async (): Promise<void> => {
    await Promise.all([read.end(), write.end(), analytics.end()]);
  };
  return { read, write, analytics, restricted, isOwnBackend: (processId) => own.has(processId), close };
}

/** The driver knows its backend; its types do not say so. */
const processIdOf = (client: pg.PoolClient): number => (client as unknown as { readonly processID: number }).processID;

/**
 * Every hot statement finds its rows by an index. Without these settings a plan that was cached while the tables were young and
 * small goes on scanning them when they have grown (measured: 5 ms instead of 0.1 ms for each read of a stream).
 */
const SESSION = ['timezone=UTC', 'datestyle=ISO', 'enable_seqscan=off', 'enable_hashjoin=off', 'enable_mergejoin=off', 'jit=off'] as const;

interface PoolOptions {
  readonly connectionString: string;
  readonly max: number;
  readonly restricted: boolean;
  readonly onError: (error: Error) => void;
  readonly answerMsMax: number;
}

function openPool({ connectionString, max, restricted, onError, answerMsMax }: PoolOptions): pg.Pool {
  const earlier = beforeLimit(answerMsMax);
  // A statement that waits for a lock would wait on when its connection is given up, and what is asked instead would wait behind it.
  const settings = [...SESSION, `lock_timeout=${String(earlier)}`, ...(restricted ? [`role=${SERVICE_ROLE}`] : [])];
  const pool = new pg.Pool({
    connectionString,
    max,
    types: logTypes,
    options: settings.map((setting) => `-c ${setting}`).join(' '),
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: Math.min(IDLE_MS_MAX, earlier),
    keepAlive: true,
    stream: limitedSocket(answerMsMax),
  });
  pool.on('error', onError);
  pool.on('connect', (client) => {
    // Whoever has taken it out hears of its end by what is asked; an error that nobody listens to would end the process.
    client.on('error', () => undefined);
  });
  return pool;
}

async function mayTakeRole(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ may: boolean }>(
      "select coalesce(bool_or(pg_has_role(oid, 'member')), false) as may from pg_roles where rolname = $1",
      [SERVICE_ROLE],
    );
    return rows[0]?.may ?? false;
  } catch (error) {
    throw faultOf('connecting to the database', error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
