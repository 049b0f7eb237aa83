import { ConnectionError, problemErrorOf, ProblemError } from './problem-error.js';

export interface ClientOptions {
  /** Where the gateway is, such as `http://127.0.0.1:3000`. */
  readonly baseUrl: string;
  /** Absent where the platform runs without authentication. */
  readonly apiKey?: string;
  /** Another fetch; default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** Tries of a request that is safe to repeat. */
  readonly attemptsMax?: number;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

const ATTEMPTS_DEFAULT = 4;
const PAUSE_FIRST_MS = 200;
const PAUSE_MAX_MS = 5_000;
/** Refusals that mean "not now": the same request may be accepted in a moment. */
const PASSING = new Set(['state-unavailable', 'still-busy', 'request-in-flight', 'rate-limited']);

/** Sends requests over fetch: adds the key, turns refusals into errors, and repeats what is safe to repeat. */
export class Transport {
  private readonly base: string;
  private readonly send: typeof globalThis.fetch;
  private readonly attemptsMax: number;

  constructor(private readonly options: ClientOptions) {
    this.base = options.baseUrl.replace(/\/+$/, '');
    this.send = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.attemptsMax = options.attemptsMax ?? ATTEMPTS_DEFAULT;
  }

  /** Every call of ours may be repeated: reads change nothing, commands carry an idempotency key. @throws ProblemError, ConnectionError */
  async call(call: Call): Promise<Response> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.once(call);
      } catch (error) {
        if (attempt >= this.attemptsMax || !canHelp(error) || call.signal?.aborted === true) throw error;
        await pause(waitOf(error, attempt), call.signal);
      }
    }
  }

  async json<T>(call: Call): Promise<T> {
    return (await (await this.call(call)).json()) as T;
  }

  /** One try. @throws ProblemError, ConnectionError */
  async once(call: Call): Promise<Response> {
    const response = await this.fetch(call);
    if (response.ok) return response;
    throw await problemErrorOf(response);
  }

  /** One exchange, whatever was answered. @throws ConnectionError */
  async fetch({ method, path, query, body, headers, signal }: Call): Promise<Response> {
    const { apiKey } = this.options;
    try {
      return await this.send(`${this.base}${path}${queryOf(query)}`, {
        method,
        headers: {
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (signal?.aborted === true) throw error;
      throw new ConnectionError(`No answer from ${this.base}.`, { cause: error });
    }
  }
}

const canHelp = (error: unknown): boolean => error instanceof ConnectionError || (error instanceof ProblemError && PASSING.has(error.code));

const waitOf = (error: unknown, attempt: number): number =>
  error instanceof ProblemError && error.retryAfterSeconds !== undefined
    ? Math.min(PAUSE_MAX_MS, error.retryAfterSeconds * 1000)
    : Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** (attempt - 1));

function queryOf(query: Call['query']): string {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
}

/** Resolves after a while, or at once when the signal says so. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal?.aborted === true) done();
    else signal?.addEventListener('abort', done);
  });
}
