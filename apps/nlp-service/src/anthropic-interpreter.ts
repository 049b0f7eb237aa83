import { err, ok, type Result, type StepError } from '@taskmaster/contracts';
import type Anthropic from '@anthropic-ai/sdk';
import {
  ANSWER_TOKENS_MAX,
  costOf,
  MODEL_TIMEOUT_MS,
  ModelList,
  stepErrorOf,
  type LanguageModel,
  type ModelAnswer,
  type ModelOptions,
  type ModelQuestion,
} from './language-model.js';
import { ModelInterpreter } from './model-interpreter.js';

/** Known to the API after `claude-3-5-sonnet-20241022`, the seed's default, retires. */
export const ANTHROPIC_FALLBACK_MODELS = ['claude-sonnet-5-5', 'claude-sonnet-5', 'claude-sonnet-4-6', 'claude-haiku-4-5'] as const;

const refused = (message: string): StepError => ({ type: 'validation', message, retryable: false, detail: { provider: 'anthropic' } });

function answerOf(message: Anthropic.Message): Result<ModelAnswer, StepError> {
  if (message.stop_reason === 'refusal') return err(refused('The model declined to work on this requirement.'));
  if (message.stop_reason === 'max_tokens')
    return err(refused(`The model's answer is longer than ${String(ANSWER_TOKENS_MAX)} tokens; split the requirement.`));
  const call = message.content.find((block) => block.type === 'tool_use');
  const { usage, model } = message;
  const cacheWritten = usage.cache_creation_input_tokens ?? 0;
  const cacheRead = usage.cache_read_input_tokens ?? 0;
  const costUsd = costOf(model, { input: usage.input_tokens, output: usage.output_tokens, cacheWritten, cacheRead });
  return ok({
    value: call?.input,
    model,
    inputTokens: usage.input_tokens + cacheWritten + cacheRead,
    outputTokens: usage.output_tokens,
    ...(costUsd === undefined ? {} : { costUsd }),
  });
}

/** Anthropic's API through its SDK: the answer is the input of a forced tool call; the instructions are marked for prompt caching. */
export class AnthropicModel implements LanguageModel {
  readonly provider = 'anthropic';
  readonly #options: ModelOptions;
  readonly #models: ModelList;
  #client: Promise<Anthropic> | undefined;

  constructor(options: ModelOptions) {
    this.#options = options;
    this.#models = new ModelList(options.models);
  }

  async answer(question: ModelQuestion): Promise<Result<ModelAnswer, StepError>> {
    const startedAt = performance.now();
    try {
      const client = await this.#connect();
      return answerOf(await this.#models.ask((model) => this.#ask(client, model, question)));
    } catch (error) {
      return err(
        stepErrorOf('anthropic', error, {
          keyName: 'ANTHROPIC_API_KEY',
          overdue: performance.now() - startedAt >= (this.#options.timeoutMs ?? MODEL_TIMEOUT_MS),
        }),
      );
    }
  }

  #ask(client: Anthropic, model: string, { system, user, answer }: ModelQuestion): Promise<Anthropic.Message> {
    return client.messages.create({
      model,
      max_tokens: ANSWER_TOKENS_MAX,
      system: [{ type: 'text', text: system, cache_control: { type: 'ephemeral' } }],
      tools: [{ name: answer.name, description: answer.description, input_schema: { ...answer.schema, type: 'object' } }],
      tool_choice: { type: 'tool', name: answer.name },
      messages: [{ role: 'user', content: user }],
    });
  }

  /** The SDK is loaded with the first question: an idle service does not carry it. */
  #connect(): Promise<Anthropic> {
    const { apiKey, baseUrl, timeoutMs } = this.#options;
    this.#client ??= import('@anthropic-ai/sdk').then(
      ({ default: Client }) =>
        new Client({
          apiKey,
          authToken: null,
          maxRetries: 0,
          timeout: timeoutMs ?? MODEL_TIMEOUT_MS,
          ...(baseUrl === undefined ? {} : { baseURL: baseUrl }),
        }),
    );
    return this.#client;
  }
}

/** The interpreter that asks Anthropic. */
export const anthropicInterpreter = (options: ModelOptions, now: () => number): ModelInterpreter =>
  new ModelInterpreter(new AnthropicModel(options), now);
