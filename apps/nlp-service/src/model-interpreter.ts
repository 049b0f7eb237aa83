import { err, ok, type InterpreterUse, type PlanDraft, type Result, type StepError } from '@taskmaster/contracts';
import type {
  CheckQuestion,
  CompletionCheck,
  DecomposeQuestion,
  InstructQuestion,
  Interpreted,
  ParseQuestion,
  RequirementInterpreter,
  Understanding,
} from './interpreter.js';
import type { LanguageModel, ModelAnswer, ModelQuestion } from './language-model.js';
import { parseCheck, parseInstructions, parsePlanAnswer, parseUnderstanding } from './model-answers.js';
import { checkQuestion, instructQuestion, parseQuestion, planQuestion } from './prompts.js';

type Parser<T> = (value: unknown) => Result<T, readonly string[]>;
const QUOTED_ANSWER_MAX = 6_000;

function repairOf(question: ModelQuestion, answer: ModelAnswer, faults: readonly string[]): ModelQuestion {
  const said = JSON.stringify(answer.value) as string | undefined;
  return {
    ...question,
    user: [
      question.user,
      '',
      'Your previous answer was refused for these reasons:',
      ...faults.slice(0, 20).map((fault) => `- ${fault}`),
      '',
      '<previous_answer>',
      (said ?? 'nothing').slice(0, QUOTED_ANSWER_MAX),
      '</previous_answer>',
      '',
      'Answer again, complete, with these faults repaired.',
    ].join('\n'),
  };
}

function sum(answers: readonly ModelAnswer[]): Omit<InterpreterUse, 'provider' | 'latencyMs' | 'cached'> {
  const costs = answers.map(({ costUsd }) => costUsd);
  const known = costs.filter((cost) => cost !== undefined);
  return {
    model: answers.at(-1)?.model ?? 'unknown',
    inputTokens: answers.reduce((total, { inputTokens }) => total + inputTokens, 0),
    outputTokens: answers.reduce((total, { outputTokens }) => total + outputTokens, 0),
    // A sum that lacks a part would be wrong rather than unknown.
    ...(known.length === costs.length ? { costUsd: known.reduce((total, cost) => total + cost, 0) } : {}),
  };
}

/** Asks a language model. What it says is untrusted: parsed, bounded, repaired once, else a failure of type validation. */
export class ModelInterpreter implements RequirementInterpreter {
  readonly #model: LanguageModel;
  readonly #now: () => number;

  constructor(model: LanguageModel, now: () => number) {
    this.#model = model;
    this.#now = now;
  }

  parseRequirements(question: ParseQuestion): Promise<Result<Interpreted<Understanding>, StepError>> {
    if (question.text.trim() === '')
      return Promise.resolve(
        err({ type: 'validation', message: 'The requirement is empty.', retryable: false, detail: { reason: 'empty' } }),
      );
    return this.#interpret(parseQuestion(question), parseUnderstanding);
  }

  decomposeTask(question: DecomposeQuestion): Promise<Result<Interpreted<PlanDraft>, StepError>> {
    return this.#interpret(planQuestion(question), parsePlanAnswer);
  }

  generateInstructions(question: InstructQuestion): Promise<Result<Interpreted<string>, StepError>> {
    return this.#interpret(instructQuestion(question), parseInstructions);
  }

  validateCompletion(question: CheckQuestion): Promise<Result<Interpreted<CompletionCheck>, StepError>> {
    return this.#interpret(checkQuestion(question), parseCheck);
  }

  async #interpret<T>(question: ModelQuestion, parse: Parser<T>): Promise<Result<Interpreted<T>, StepError>> {
    const startedAt = this.#now();
    const first = await this.#model.answer(question);
    if (!first.ok) return first;
    const parsed = parse(first.value.value);
    if (parsed.ok) return this.#interpreted(parsed.value, [first.value], startedAt);
    const second = await this.#model.answer(repairOf(question, first.value, parsed.error));
    if (!second.ok) return second;
    const repaired = parse(second.value.value);
    if (repaired.ok) return this.#interpreted(repaired.value, [first.value, second.value], startedAt);
    const { provider } = this.#model;
    return err({
      type: 'validation',
      message: `${provider} twice gave an answer that cannot be used: ${repaired.error.slice(0, 5).join(' ')}`.slice(0, 1_000),
      retryable: false,
      detail: { provider, ...sum([first.value, second.value]) },
    });
  }

  #interpreted<T>(value: T, answers: readonly ModelAnswer[], startedAt: number): Result<Interpreted<T>, StepError> {
    return ok({
      value,
      use: { provider: this.#model.provider, ...sum(answers), latencyMs: Math.round(this.#now() - startedAt), cached: false },
    });
  }
}
