import { createHash } from 'node:crypto';
import { ok, type Result, type StepError } from '@taskmaster/contracts';
import type {
  CheckQuestion,
  DecomposeQuestion,
  Interpretation,
  Interpreted,
  InstructQuestion,
  ParseQuestion,
  RequirementInterpreter,
} from './interpreter.js';

/** Answers that are kept; the one used longest ago goes first. Each is at most a step's output. */
export const CACHED_ANSWERS_MAX = 500;

/** Gives the same question the same answer again, by a hash of its content. Refusals and faults are not kept. */
export class CachingInterpreter implements RequirementInterpreter {
  readonly #inner: RequirementInterpreter;
  readonly #scope: string;
  readonly #max: number;
  readonly #answers = new Map<string, Interpreted<unknown>>();
  /** Questions that are being asked: two notices of the same content ask once. */
  readonly #asking = new Map<string, Promise<Result<Interpreted<unknown>, StepError>>>();

  /** @param scope what else an answer depends on: provider and models */
  constructor(inner: RequirementInterpreter, scope: string, max = CACHED_ANSWERS_MAX) {
    this.#inner = inner;
    this.#scope = scope;
    this.#max = max;
  }

  parseRequirements(question: ParseQuestion): ReturnType<RequirementInterpreter['parseRequirements']> {
    return this.#once('parse', question, () => this.#inner.parseRequirements(question));
  }

  decomposeTask(question: DecomposeQuestion): ReturnType<RequirementInterpreter['decomposeTask']> {
    return this.#once('decompose', question, () => this.#inner.decomposeTask(question));
  }

  generateInstructions(question: InstructQuestion): ReturnType<RequirementInterpreter['generateInstructions']> {
    return this.#once('instruct', question, () => this.#inner.generateInstructions(question));
  }

  validateCompletion(question: CheckQuestion): ReturnType<RequirementInterpreter['validateCompletion']> {
    return this.#once('check', question, () => this.#inner.validateCompletion(question));
  }

  async #once<T>(operation: string, question: unknown, ask: () => Interpretation<T>): Interpretation<T> {
    const key = createHash('sha256')
      .update(`${this.#scope}\n${operation}\n${JSON.stringify(question)}`)
      .digest('hex');
    const kept = this.#answers.get(key) as Interpreted<T> | undefined;
    if (kept !== undefined) {
      this.#answers.delete(key);
      this.#answers.set(key, kept);
      return ok(fromCache(kept));
    }
    const running = this.#asking.get(key) as Interpretation<T> | undefined;
    if (running !== undefined) {
      const answer = await running;
      return answer.ok ? ok(fromCache(answer.value)) : answer;
    }
    const asked = ask();
    this.#asking.set(key, asked);
    try {
      const answer = await asked;
      if (answer.ok) this.#keep(key, answer.value);
      return answer;
    } finally {
      this.#asking.delete(key);
    }
  }

  #keep(key: string, answer: Interpreted<unknown>): void {
    this.#answers.set(key, answer);
    const oldest = this.#answers.size > this.#max ? this.#answers.keys().next() : undefined;
    if (oldest?.done === false) this.#answers.delete(oldest.value);
  }
}

/** A kept answer used no tokens this time and took no time worth naming. */
const fromCache = <T>(answer: Interpreted<T>): Interpreted<T> => ({
  value: answer.value,
  use: { provider: answer.use.provider, model: answer.use.model, inputTokens: 0, outputTokens: 0, costUsd: 0, latencyMs: 0, cached: true },
});
