import { err, ok, type Result, type StepError } from '@taskmaster/contracts';
import type OpenAI from 'openai';
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

/** Used when NLP_MODEL names no model of OpenAI's, in this order. */
export const OPENAI_MODELS = ['gpt-5.1', 'gpt-4.1', 'gpt-4o'] as const;

const refused = (message: string): StepError => ({ type: 'validation', message, retryable: false, detail: { provider: 'openai' } });

/** The text of a JSON answer; what is no JSON stays text and is found out by whoever parses the answer. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Why there is no answer to read; undefined when there is one. */
function refusalOf({ message, finish_reason: reason }: OpenAI.ChatCompletion.Choice): StepError | undefined {
  if ((message.refusal ?? '') !== '' || reason === 'content_filter') return refused('The model declined to work on this requirement.');
  if (reason === 'length') return refused(`The model's answer is longer than ${String(ANSWER_TOKENS_MAX)} tokens; split the requirement.`);
  return undefined;
}

function usageOf({ model, usage }: OpenAI.ChatCompletion): Omit<ModelAnswer, 'value'> {
  if (usage === undefined) return { model, inputTokens: 0, outputTokens: 0 };
  const { prompt_tokens: inputTokens, completion_tokens: outputTokens } = usage;
  const costUsd = costOf(model, { input: inputTokens, output: outputTokens });
  return { model, inputTokens, outputTokens, ...(costUsd === undefined ? {} : { costUsd }) };
}

function answerOf(completion: OpenAI.ChatCompletion): Result<ModelAnswer, StepError> {
  const choice = completion.choices[0];
  if (choice === undefined) return err(refused('The model gave no answer.'));
  const refusal = refusalOf(choice);
  return refusal === undefined ? ok({ value: valueOf(choice.message.content ?? ''), ...usageOf(completion) }) : err(refusal);
}

/** OpenAI's API, or one that speaks it at another base URL, through its SDK: the answer is bound to a JSON schema. */
export class OpenAiModel implements LanguageModel {
  readonly provider = 'openai';
  readonly #options: ModelOptions;
  readonly #models: ModelList;
  #client: Promise<OpenAI> | undefined;

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
        stepErrorOf('openai', error, {
          keyName: 'OPENAI_API_KEY',
          overdue: performance.now() - startedAt >= (this.#options.timeoutMs ?? MODEL_TIMEOUT_MS),
        }),
      );
    }
  }

  #ask(client: OpenAI, model: string, { system, user, answer }: ModelQuestion): Promise<OpenAI.ChatCompletion> {
    return client.chat.completions.create({
      model,
      max_completion_tokens: ANSWER_TOKENS_MAX,
      messages: [
        { role: 'system', content: system },
        { role: 'user', content: user },
      ],
      response_format: {
        type: 'json_schema',
        json_schema: { name: answer.name, description: answer.description, schema: answer.schema, strict: false },
      },
    });
  }

  /** The SDK is loaded with the first question: an idle service does not carry it. */
  #connect(): Promise<OpenAI> {
    const { apiKey, baseUrl, timeoutMs } = this.#options;
    this.#client ??= import('openai').then(
      ({ default: Client }) =>
        new Client({
          apiKey,
          maxRetries: 0,
          timeout: timeoutMs ?? MODEL_TIMEOUT_MS,
          ...(baseUrl === undefined ? {} : { baseURL: baseUrl }),
        }),
    );
    return this.#client;
  }
}

/** The interpreter that asks OpenAI. */
export const openAiInterpreter = (options: ModelOptions, now: () => number): ModelInterpreter =>
  new ModelInterpreter(new OpenAiModel(options), now);
