import type { InterpreterUse, JsonObject, Result, StepError } from '@taskmaster/contracts';

/** One question to a model that answers with one JSON object. */
export interface ModelQuestion {
  /** The same for every question of an operation, so that a provider can cache it. */
  readonly system: string;
  readonly user: string;
  readonly answer: { readonly name: string; readonly description: string; readonly schema: JsonObject };
}

export interface ModelAnswer {
  /** What the model said: untrusted, any shape. */
  readonly value: unknown;
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Absent when nobody can know it. */
  readonly costUsd?: number;
}

/** A model that fills in a schema. One try: retries belong to the step, whose timers are durable. */
export interface LanguageModel {
  readonly provider: InterpreterUse['provider'];
  answer(question: ModelQuestion): Promise<Result<ModelAnswer, StepError>>;
}

/** How to reach a provider. */
export interface ModelOptions {
  readonly apiKey: string;
  /** The first that the provider still knows is used; the list exists because models retire. */
  readonly models: readonly string[];
  readonly baseUrl?: string;
  readonly timeoutMs?: number;
}

export const MODEL_TIMEOUT_MS = 120_000;
/** Tokens of one answer. */
export const ANSWER_TOKENS_MAX = 8_192;
/** How long a limit is waited out when the provider names no time. */
const RATE_LIMIT_WAIT_MS = 30_000;
const RETRY_AFTER_MS_MAX = 15 * 60_000;

/** US dollars per million tokens of input and output, as published; a model that is not listed has no known cost. */
const PRICES: readonly (readonly [prefix: string, input: number, output: number])[] = [
  ['claude-3-5-sonnet', 3, 15],
  ['claude-3-5-haiku', 0.8, 4],
  ['claude-sonnet-4-5', 3, 15],
  ['claude-sonnet-4-6', 3, 15],
  ['claude-sonnet-4', 3, 15],
  ['claude-haiku-4-5', 1, 5],
  ['claude-opus-4-5', 5, 25],
  ['gpt-4o-mini', 0.15, 0.6],
  ['gpt-4o', 2.5, 10],
  ['gpt-4.1-mini', 0.4, 1.6],
  ['gpt-4.1', 2, 8],
  ['gpt-5-mini', 0.25, 2],
];

export interface TokenCounts {
  readonly input: number;
  readonly output: number;
  /** Input tokens written to and read from the provider's cache, where it says. */
  readonly cacheWritten?: number;
  readonly cacheRead?: number;
}

/** What these tokens cost; undefined for a model without a known price. A cache write costs 1.25 and a read 0.1 of an input token. */
export function costOf(model: string, tokens: TokenCounts): number | undefined {
  const price = PRICES.find(([prefix]) => model === prefix || model.startsWith(`${prefix}-2`));
  if (price === undefined) return undefined;
  const [, input, output] = price;
  const paid = (tokens.input + 1.25 * (tokens.cacheWritten ?? 0) + 0.1 * (tokens.cacheRead ?? 0)) * input + tokens.output * output;
  return Math.round(paid) / 1_000_000;
}

/** What both SDKs' errors have in common, read without trusting their classes to be loaded. */
interface ProviderFailure {
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly timedOut: boolean;
}

function retryAfterOf(headers: unknown, now: number): number | undefined {
  if (!(headers instanceof Headers)) return undefined;
  const exact = Number.parseFloat(headers.get('retry-after-ms') ?? '');
  const said = headers.get('retry-after') ?? '';
  const seconds = /^\d+(?:\.\d+)?$/.test(said.trim()) ? Number(said) * 1_000 : Date.parse(said) - now;
  const wait = Number.isFinite(exact) ? exact : seconds;
  return Number.isFinite(wait) ? Math.max(0, Math.min(RETRY_AFTER_MS_MAX, Math.round(wait))) : undefined;
}

function failureOf(error: Error, now: number): ProviderFailure {
  const { status, headers } = error as { readonly status?: unknown; readonly headers?: unknown };
  return {
    status: typeof status === 'number' ? status : undefined,
    retryAfterMs: retryAfterOf(headers, now),
    timedOut: /timeout|timed out/i.test(`${error.constructor.name} ${error.message}`),
  };
}

/** Whether the provider says that it does not know this model (any more). */
export function isUnknownModel(error: unknown): boolean {
  if (!(error instanceof Error) || (error as { readonly status?: unknown }).status !== 404) return false;
  return /model/i.test(error.message);
}

type Failing = { readonly provider: string; readonly keyName: string; readonly retryAfterMs: number | undefined; readonly status: number };
const waiting = ({ retryAfterMs }: Failing): { readonly retryAfterMs?: number } => (retryAfterMs === undefined ? {} : { retryAfterMs });

/** What a status of HTTP means, the first that fits. */
const BY_STATUS: readonly (readonly [fits: (status: number) => boolean, error: (failing: Failing) => StepError])[] = [
  [
    (status) => status === 429 || status === 529,
    (f) => ({
      type: 'rate_limit',
      message: `${f.provider} limits our requests.`,
      retryable: true,
      retryAfterMs: f.retryAfterMs ?? RATE_LIMIT_WAIT_MS,
    }),
  ],
  [
    (status) => status === 401 || status === 403,
    (f) => ({ type: 'dependency', message: `${f.provider} refuses the key in ${f.keyName}.`, retryable: false }),
  ],
  [
    (status) => status === 408 || status === 504,
    (f) => ({ type: 'timeout', message: `${f.provider} did not answer in time.`, retryable: true }),
  ],
  [(status) => status >= 500, (f) => ({ type: 'network', message: `${f.provider} failed.`, retryable: true, ...waiting(f) })],
  [() => true, (f) => ({ type: 'validation', message: `${f.provider} refuses the request (${String(f.status)}).`, retryable: false })],
];

/** An error of a provider in our terms: what kind, whether trying again can help, and when. `overdue`: the time limit had passed. Never carries the key. */
export function stepErrorOf(
  provider: string,
  error: unknown,
  { keyName, overdue }: { readonly keyName: string; readonly overdue: boolean },
): StepError {
  if (!(error instanceof Error)) return { type: 'internal', message: `${provider} failed without saying how.`, retryable: true };
  const { status, retryAfterMs, timedOut } = failureOf(error, Date.now());
  if (status !== undefined) {
    const meaning = BY_STATUS.find(([fits]) => fits(status))?.[1];
    if (meaning !== undefined) return { ...meaning({ provider, keyName, retryAfterMs, status }), detail: { provider, status } };
  }
  return timedOut || overdue
    ? { type: 'timeout', message: `${provider} did not answer in time.`, retryable: true, detail: { provider } }
    : { type: 'network', message: `${provider} cannot be reached.`, retryable: true, detail: { provider } };
}

/** Asks the models in order until one is known; remembers which, so that a retired default costs one extra request per process. */
export class ModelList {
  readonly #models: readonly string[];
  #index = 0;

  constructor(models: readonly string[]) {
    this.#models = models;
  }

  async ask<T>(once: (model: string) => Promise<T>): Promise<T> {
    for (;;) {
      const index = this.#index;
      const model = this.#models[index] ?? '';
      try {
        return await once(model);
      } catch (error) {
        if (!isUnknownModel(error) || index + 1 >= this.#models.length) throw error;
        this.#index = Math.max(this.#index, index + 1);
      }
    }
  }
}
