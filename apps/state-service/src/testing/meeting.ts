import pg from 'pg';

/** Looks at what waits, each after a pause of 10 ms. */
const LOOKS_MAX = 1_000;

/** Rows that are held, so that appends meet there. */
export interface Held {
  readonly text: string;
  readonly values: readonly unknown[];
}

export const streamRow = (stream: string): Held => ({ text: 'select 1 from stream where id = $1 for update', values: [stream] });
export const quotaRow = (key: string): Held => ({ text: 'select 1 from quota where key = $1 for update', values: [key] });
/** What every append takes last, after everything else is decided. */
export const LOG_LOCK: Held = { text: 'select pg_advisory_xact_lock(7236531, 1)', values: [] };

/**
 * Lets every sender decide before any of them can record: each waits at the held rows before the next begins. Then the rows are let go, and
 * who came first goes first. The answers are in the order of the senders.
 */
export async function meetAt<T>(url: string, held: Held, senders: readonly (() => Promise<T>)[]): Promise<T[]> {
  const answers: Promise<T>[] = [];
  await whileHeld(url, held, async (waiting) => {
    for (const send of senders) {
      answers.push(send());
      await waiting(answers.length);
    }
  });
  return Promise.all(answers);
}

/** Holds rows during the work, which can wait until so many statements wait for a lock. */
export async function whileHeld(
  url: string,
  held: Held,
  work: (waiting: (count: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  const [holder, watcher] = [new pg.Client({ connectionString: url }), new pg.Client({ connectionString: url })];
  await Promise.all([holder.connect(), watcher.connect()]);
  const waiting = async (count: number): Promise<void> => {
    const text = `
      select count(*)::integer as n
      from pg_stat_activity, pg_sleep(0.01)
      where datname = current_database() and wait_event_type = 'Lock'`;
    for (let look = 0; look < LOOKS_MAX; look += 1) {
      if ((await watcher.query<{ n: number }>(text)).rows[0]?.n === count) return;
    }
    throw new Error(`${String(count)} statements do not wait for a lock`);
  };
  try {
    await holder.query('begin');
    await holder.query(held.text, [...held.values]);
    await work(waiting);
    await holder.query('commit');
  } finally {
    await Promise.all([holder.end(), watcher.end()]);
  }
}
