import { describe, expect, it } from '@jest/globals';
import { ConfigFault } from '@taskmaster/service-kit';
import { DEFAULT_MODEL, readConfig } from './config.js';
import { createInterpreter } from './create-interpreter.js';

const faultOf = (environment: Record<string, string>): unknown => {
  try {
    return readConfig(environment);
  } catch (error) {
    return error;
  }
};

describe('the configuration of nlp-service', () => {
  it('refuses to start with the default provider and no key, naming the variable and the way out', () => {
    const fault = faultOf({});
    expect(fault).toBeInstanceOf(ConfigFault);
    expect(String(fault)).toContain('ANTHROPIC_API_KEY');
    expect(String(fault)).toContain('NLP_PROVIDER=offline');
  });

  it('asks for the key of the provider that was chosen, and does not take another one for it', () => {
    expect(String(faultOf({ NLP_PROVIDER: 'openai', ANTHROPIC_API_KEY: 'abc-key' }))).toContain('OPENAI_API_KEY');
    expect(String(faultOf({ NLP_PROVIDER: 'openai', ANTHROPIC_API_KEY: 'abc-key' }))).not.toContain('abc-key');
  });

  it('keeps the defaults of the seed', () => {
    expect(readConfig({ ANTHROPIC_API_KEY: 'k' })).toMatchObject({
      NLP_PROVIDER: 'anthropic',
      NLP_MODEL: DEFAULT_MODEL,
      ENABLE_NLP: true,
      NLP_CACHING: true,
    });
  });

  it('needs no key offline, nor when understanding is switched off', () => {
    expect(readConfig({ NLP_PROVIDER: 'offline' }).NLP_PROVIDER).toBe('offline');
    expect(readConfig({ ENABLE_NLP: 'false' }).ENABLE_NLP).toBe(false);
  });

  it('names an unknown provider as a fault of its variable', () => {
    expect(String(faultOf({ NLP_PROVIDER: 'oracle' }))).toContain('NLP_PROVIDER');
  });

  it.each(['offline', 'anthropic', 'openai'])('makes an interpreter for %s', async (provider) => {
    const interpreter = await createInterpreter(readConfig({ NLP_PROVIDER: provider, ANTHROPIC_API_KEY: 'k', OPENAI_API_KEY: 'k' }));
    expect(typeof interpreter.parseRequirements).toBe('function');
  });

  it('answers the same question from memory, says so and charges nothing', async () => {
    const interpreter = await createInterpreter(readConfig({ NLP_PROVIDER: 'offline' }));
    const first = await interpreter.parseRequirements({ text: 'Add a --version flag', context: {} });
    const second = await interpreter.parseRequirements({ text: 'Add a --version flag', context: {} });
    expect(first).toMatchObject({ ok: true, value: { use: { cached: false } } });
    expect(second).toMatchObject({ ok: true, value: { use: { cached: true, inputTokens: 0, costUsd: 0 } } });
    expect(second.ok && first.ok && second.value.value).toEqual(first.ok && first.value.value);
  });
});
