import { ok, err, type InterpreterUse, type Result, type StepError } from '@taskmaster/contracts';
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
import type { PlanDraft } from '@taskmaster/contracts';

type Rules = typeof import('@taskmaster/understanding');

const refusal = (message: string, detail: Record<string, string>): StepError => ({ type: 'validation', message, retryable: false, detail });

/** The deterministic rules of `libs/understanding` behind the port: no network, no cost. Loads them on the first question. */
export class OfflineInterpreter implements RequirementInterpreter {
  readonly #now: () => number;
  #rules: Promise<Rules> | undefined;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  parseRequirements(question: ParseQuestion): Promise<Result<Interpreted<Understanding>, StepError>> {
    return this.#answer((rules) => {
      const parsed = rules.parseRequirements(question.text, question.context);
      return parsed.ok ? parsed : err(refusal(parsed.error.message, { reason: parsed.error.code }));
    });
  }

  decomposeTask(question: DecomposeQuestion): Promise<Result<Interpreted<PlanDraft>, StepError>> {
    return this.#answer((rules) => {
      const plan = rules.decomposeTask(question.items, { text: question.text, metadata: question.metadata, context: question.context });
      return plan.ok ? plan : err(refusal(plan.error, { reason: 'no-items' }));
    });
  }

  generateInstructions(question: InstructQuestion): Promise<Result<Interpreted<string>, StepError>> {
    return this.#answer((rules) =>
      ok(rules.generateInstructions(question, { requirement: question.requirement, context: question.context })),
    );
  }

  validateCompletion(question: CheckQuestion): Promise<Result<Interpreted<CompletionCheck>, StepError>> {
    return this.#answer((rules) => ok(rules.validateCompletion(question, question.result)));
  }

  async #answer<T>(ask: (rules: Rules) => Result<T, StepError>): Promise<Result<Interpreted<T>, StepError>> {
    const startedAt = this.#now();
    this.#rules ??= import('@taskmaster/understanding');
    const rules = await this.#rules;
    const answer = ask(rules);
    if (!answer.ok) return answer;
    const use: InterpreterUse = {
      provider: 'offline',
      model: rules.OFFLINE_MODEL,
      inputTokens: 0,
      outputTokens: 0,
      costUsd: 0,
      latencyMs: Math.round(this.#now() - startedAt),
      cached: false,
    };
    return ok({ value: answer.value, use });
  }
}
