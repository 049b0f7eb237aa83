import type { NlpConfig } from './config.js';
import { CachingInterpreter } from './caching-interpreter.js';
import { OfflineInterpreter } from './offline-interpreter.js';
import type { RequirementInterpreter } from './interpreter.js';

const now = (): number => performance.now();

/** The interpreter that the configuration names. Providers load when they are chosen, their SDKs with the first question. */
export async function createInterpreter(config: NlpConfig): Promise<RequirementInterpreter> {
  const { interpreter, scope } = await providerOf(config);
  return config.NLP_CACHING ? new CachingInterpreter(interpreter, scope) : interpreter;
}

async function providerOf(config: NlpConfig): Promise<{ readonly interpreter: RequirementInterpreter; readonly scope: string }> {
  const { NLP_PROVIDER: provider, NLP_MODEL: model, NLP_TIMEOUT_MS: timeoutMs } = config;
  if (provider === 'anthropic') {
    const { anthropicInterpreter, ANTHROPIC_FALLBACK_MODELS } = await import('./anthropic-interpreter.js');
    const models = [...new Set([model, ...ANTHROPIC_FALLBACK_MODELS])];
    const baseUrl = config.ANTHROPIC_BASE_URL;
    return {
      scope: `anthropic ${model}`,
      interpreter: anthropicInterpreter(
        { apiKey: config.ANTHROPIC_API_KEY ?? '', models, timeoutMs, ...(baseUrl === undefined ? {} : { baseUrl }) },
        now,
      ),
    };
  }
  if (provider === 'openai') {
    const { openAiInterpreter, OPENAI_MODELS } = await import('./openai-interpreter.js');
    // The default of NLP_MODEL is another provider's model; asking for it would only cost a refusal.
    const models = model.startsWith('claude') ? [...OPENAI_MODELS] : [...new Set([model, ...OPENAI_MODELS])];
    const baseUrl = config.OPENAI_BASE_URL;
    return {
      scope: `openai ${models[0] ?? ''}`,
      interpreter: openAiInterpreter(
        { apiKey: config.OPENAI_API_KEY ?? '', models, timeoutMs, ...(baseUrl === undefined ? {} : { baseUrl }) },
        now,
      ),
    };
  }
  return { scope: 'offline', interpreter: new OfflineInterpreter(now) };
}
