import pg from 'pg';

/** Held while this process leads. `lost` settles when the session that holds the lock is gone. */
export interface Leadership {
  readonly lost: Promise<void>;
  /** Asks the server whether the session still lives; a dead connection and one without an answer in time count as lost. */
  check(): Promise<boolean>;
  release(): Promise<void>;
}

export interface CandidateOptions {
  readonly url: string;
  /** What is led; one leads for each purpose. */
  readonly purpose: number;
  readonly answerMsMax?: number;
}

/** A database that is connected and silent for so long is as good as gone: whoever leads could neither sweep nor give up. */
const ANSWER_MS_MAX = 5_000;
const LEADER_LOCK_CLASS = 7_236_532;

/**
 * Asks for a session advisory lock on a connection of its own, which is kept from one try to the next. The lock does not fence: a paused
 * leader that wakes up may still act, so what it does must be fenced elsewhere (the stream's expected sequence).
 */
export class LeaderCandidate {
  private session: Session | undefined;

  constructor(private readonly options: CandidateOptions) {}

  /**
   * Undefined when another process leads, or nobody can be asked. `onCommit` is told of appends by any process, with the backend that made
   * them. The leadership takes the connection along.
   */
  async tryLead(onCommit?: (byBackend: number) => void): Promise<Leadership | undefined> {
    try {
      if (this.session?.isAlive === false) await this.close();
      const session = (this.session ??= await Session.open(this.options));
      if (!(await session.lock(this.options.purpose))) return undefined;
      if (onCommit !== undefined) await session.listen(onCommit);
      this.session = undefined;
      return { lost: session.lost, check: () => session.check(), release: () => session.close() };
    } catch {
      await this.close();
      return undefined;
    }
  }

  /** Gives up the connection, and a lock that nobody was told of. */
  async close(): Promise<void> {
    const { session } = this;
    this.session = undefined;
    await session?.close();
  }
}

/** One connection, which says when it is gone. */
class Session {
  readonly lost: Promise<void>;
  isAlive = true;
  private settle: () => void = () => undefined;

  private constructor(private readonly client: pg.Client) {
    this.lost = new Promise<void>((resolve) => {
      this.settle = resolve;
    });
    client.on('error', () => this.end());
    client.on('end', () => this.end());
  }

  static async open({ url, answerMsMax = ANSWER_MS_MAX }: CandidateOptions): Promise<Session> {
    // The name tells an operator, and the torture test, which process it is that leads.
    const application_name = `taskmaster leader ${String(process.pid)}`;
    const client = new pg.Client({
      ...{ connectionString: url, keepAlive: true, application_name },
      ...{ connectionTimeoutMillis: answerMsMax, query_timeout: answerMsMax },
    });
    const session = new Session(client);
    try {
      await client.connect();
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  async lock(purpose: number): Promise<boolean> {
    const text = 'select pg_try_advisory_lock($1, $2) as held';
    return (await this.client.query<{ held: boolean }>(text, [LEADER_LOCK_CLASS, purpose])).rows[0]?.held === true;
  }

  async listen(onCommit: (byBackend: number) => void): Promise<void> {
    this.client.on('notification', ({ processId }) => onCommit(processId));
    await this.client.query('listen tm_log');
  }

  async check(): Promise<boolean> {
    if (this.isAlive) await this.client.query('select 1').catch(() => this.end());
    return this.isAlive;
  }

  async close(): Promise<void> {
    this.end();
    await this.client.end().catch(() => undefined);
  }

  private end(): void {
    this.isAlive = false;
    this.settle();
  }
}
