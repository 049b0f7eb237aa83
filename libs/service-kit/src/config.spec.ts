import { describe, expect, it } from '@jest/globals';
import { choice, ConfigFault, defineConfig, describeConfig, flag, integer, list, loadConfig, secret, text, url, urls } from './index.js';

const definition = defineConfig('example', {
  DATABASE_URL: url({ doc: 'The database.', protocols: ['postgres', 'postgresql'], aliases: ['PG_URL'] }),
  PORT: integer({ doc: 'The port.', default: 3000, min: 0, max: 65_535 }),
  VERBOSE: flag({ doc: 'Talk more.', default: false }),
  MODE: choice(['fast', 'safe'], { doc: 'How.', default: 'safe' }),
  API_KEY: secret({ doc: 'The key.', optional: true }),
  HOSTS: list({ doc: 'Where.', default: [] }),
  TITLE: text({ doc: 'A title.', default: 'none' }),
});

const faultOf = (environment: Record<string, string>): ConfigFault => {
  try {
    loadConfig(definition, environment);
  } catch (error) {
    if (error instanceof ConfigFault) return error;
  }
  throw new Error('no ConfigFault was thrown');
};

describe('loadConfig', () => {
  it('gives typed values and defaults, frozen', () => {
    const config = loadConfig(definition, { DATABASE_URL: 'postgres://u:p@h/d', VERBOSE: 'yes', HOSTS: 'a, b,,', PORT: '0', TITLE: '' });
    const port: number = config.PORT;
    const mode: 'fast' | 'safe' = config.MODE;
    const key: string | undefined = config.API_KEY;
    expect([port, mode, key, config.VERBOSE, config.HOSTS, config.TITLE]).toEqual([0, 'safe', undefined, true, ['a', 'b'], 'none']);
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('names every bad variable at once and never a value', () => {
    const fault = faultOf({ PORT: '70000', VERBOSE: 'perhaps', MODE: 'sly', API_KEY: 'hunter2' });
    expect(fault.faults.map(({ variable }) => variable)).toEqual(['DATABASE_URL or PG_URL', 'PORT', 'VERBOSE', 'MODE']);
    expect(fault.message).toContain('PORT: must be a whole number, at least 0, at most 65535');
    for (const value of ['70000', 'perhaps', 'sly', 'hunter2']) expect(fault.message).not.toContain(value);
  });

  it('refuses a URL of another protocol', () => {
    expect(faultOf({ DATABASE_URL: 'mysql://h/d' }).message).toContain('DATABASE_URL: must be a URL that starts with postgres://');
  });

  it('takes several URLs of one service, each of a right protocol', () => {
    const brokers = defineConfig('brokers', { BROKERS: urls({ doc: 'Where.', protocols: ['nats'] }) });
    expect(loadConfig(brokers, { BROKERS: 'nats://a:1, nats://b:2' }).BROKERS).toBe('nats://a:1,nats://b:2');
    expect(loadConfig(brokers, { BROKERS: 'nats://a:1' }).BROKERS).toBe('nats://a:1');
    for (const bad of ['nats://a:1,b:2', 'nats://a:1,http://b', 'nats://a:1,'])
      expect(() => loadConfig(brokers, { BROKERS: bad })).toThrow(ConfigFault);
  });

  it('takes an alias, and refuses two names that differ', () => {
    expect(loadConfig(definition, { PG_URL: 'postgres://h/d' }).DATABASE_URL).toBe('postgres://h/d');
    expect(loadConfig(definition, { PG_URL: 'postgres://h/d', DATABASE_URL: 'postgres://h/d' }).DATABASE_URL).toBe('postgres://h/d');
    const fault = faultOf({ PG_URL: 'postgres://h/first', DATABASE_URL: 'postgres://h/second' });
    expect(fault.message).toMatch(/DATABASE_URL: differs from PG_URL/);
    expect(fault.message).not.toMatch(/first|second/);
  });
});

describe('describeConfig', () => {
  it('describes each variable for the documentation', () => {
    const rows = describeConfig(definition);
    expect(rows.map(({ name }) => name)).toEqual(['DATABASE_URL', 'PORT', 'VERBOSE', 'MODE', 'API_KEY', 'HOSTS', 'TITLE']);
    expect(rows[0]).toMatchObject({ required: true, aliases: ['PG_URL'], kind: 'url' });
    expect(rows[1]).toMatchObject({ required: false, default: '3000', constraint: 'a whole number, at least 0, at most 65535' });
    expect(rows[4]).not.toHaveProperty('default');
  });
});
