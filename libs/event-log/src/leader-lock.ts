import pg from 'pg';

/** Held while this process leads. `lost` settles when the session that holds the lock is gone. */
export interface Leadership {
  readonly lost: Promise<void>;
  /** Asks the server whether the session still lives; a dead connection and one without an answer in time count as lost. */
  check(): Promise<boolean>;
  release(): Promise<void>;
}

/** A database that is connected and silent for so long is as good as gone: whoever leads could neither sweep nor give up. */
const ANSWER_MS_MAX = 5_000;
const LEADER_LOCK_CLASS = 7_236_532;

/**
 * Tries to take a session advisory lock on a connection of its own; undefined when another process leads. The lock does not fence: a
 * paused leader that wakes up may still act, so what it does must be fenced elsewhere (the stream's expected sequence).
 * `onCommit` is told of appends by any process, with the backend that made them.
 */
export async function tryLead(
  url: string,
  purpose: number,
  onCommit?: (byBackend: number) => void,
  answerMsMax = ANSWER_MS_MAX,
): Promise<Leadership | undefined> {
  // The name tells an operator, and the torture test, which process it is that leads.
  const application_name = `taskmaster leader ${String(process.pid)}`;
  const client = new pg.Client({
    ...{ connectionString: url, keepAlive: true, application_name },
    ...{ connectionTimeoutMillis: answerMsMax, query_timeout: answerMsMax },
  });
  let settle: () => void = () => undefined;
  const lost = new Promise<void>((resolve) => {
    settle = resolve;
  });
  let alive = true;
  const end = (): void => {
    alive = false;
    settle();
  };
  client.on('error', end);
  client.on('end', end);
  const close = async (): Promise<void> => {
    end();
    await client.end().catch(() => undefined);
  };
  try {
    await client.connect();
    const { rows } = await client.query<{ held: boolean }>('select pg_try_advisory_lock($1, $2) as held', [LEADER_LOCK_CLASS, purpose]);
    if (rows[0]?.held !== true) {
      await close();
      return undefined;
    }
    if (onCommit !== undefined) {
      client.on('notification', ({ processId }) => onCommit(processId));
      await client.query('listen tm_log');
    }
  } catch {
    await close();
    return undefined;
  }
  const check = async (): Promise<boolean> => {
    if (!alive) return false;
    await client.query('select 1').catch(end);
    return alive;
  };
  return { lost, check, release: close };
}
