import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { portOf } from './options.js';
import { openLog, rotateLog, tailOfLog } from './log-file.js';
import { dataDirectory } from './options.js';
import { givenDatabase } from './servers.js';
import { SERVICE_NAMES, namesRealAgent, visibleTo } from './services.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'taskmaster-parts-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('the database that the environment names', () => {
  it('is none when nothing is set', () => {
    expect(givenDatabase({ DATABASE_URL: '', DB_HOST: '' })).toBeUndefined();
  });

  it('is DATABASE_URL before anything else', () => {
    expect(givenDatabase({ DATABASE_URL: 'postgres://a@b/c', DB_HOST: 'elsewhere' })).toBe('postgres://a@b/c');
  });

  it("is made of the seeds' variables, each with its default, when one of them is set", () => {
    expect(givenDatabase({ DB_HOST: 'db' })).toBe('postgres://software_developer:password@db:5432/codegen_taskmaster_db');
    const all = { DB_HOST: 'db', DB_PORT: '6000', DB_NAME: 'a/b', DB_USER: 'u@x', DB_PASSWORD: 'p:w' };
    expect(givenDatabase(all)).toBe('postgres://u%40x:p%3Aw@db:6000/a%2Fb');
  });
});

describe('what a service sees of the environment', () => {
  const SECRETS = { ANTHROPIC_API_KEY: 'a', AGENTAPI_KEY: 'b', GITHUB_TOKEN: 'c', JWT_SECRET: 'd', DATABASE_URL: 'e', AWS_SECRET: 'f' };

  it('is each secret for at most one of them, and foreign ones for none', () => {
    for (const name of Object.keys(SECRETS)) {
      const seers = SERVICE_NAMES.filter((service) => name in visibleTo(service, SECRETS));
      expect({ name, seers: seers.length }).toEqual({ name, seers: name === 'AWS_SECRET' ? 0 : 1 });
    }
  });

  it('includes for the coordinator what its commands are allowed to see, and nothing like it', () => {
    const env = { COMMAND_ENVIRONMENT: 'CARGO_HOME, GOFLAGS', CARGO_HOME: '/c', GOFLAGS: '-v', CARGO_HOME_2: 'x' };
    const { CARGO_HOME_2: hidden, ...visible } = env;
    expect(visibleTo('agent-coordinator', env)).toEqual(visible);
    expect(Object.values(visibleTo('gateway', env))).not.toContain(hidden);
  });

  it('is the path and the log level for all', () => {
    for (const service of SERVICE_NAMES)
      expect(visibleTo(service, { PATH: '/bin', LOG_LEVEL: 'debug' })).toEqual({ PATH: '/bin', LOG_LEVEL: 'debug' });
  });
});

describe('what the engine sees of the environment', () => {
  it('is what its two services see, and nothing else', () => {
    const env = { DATABASE_READ_URL: 'a', GITHUB_TOKEN: 'b', ANTHROPIC_API_KEY: 'c', JWT_SECRET: 'd' };
    expect(visibleTo('engine', env)).toEqual({ DATABASE_READ_URL: 'a', GITHUB_TOKEN: 'b' });
  });
});

describe('whether a real agent is named', () => {
  it('asks for a value, not for a variable', () => {
    expect(namesRealAgent({ AGENTAPI_URL: '' })).toBe(false);
    expect(namesRealAgent({ GOOSE_ENDPOINT: 'http://localhost:1' })).toBe(true);
  });
});

describe('the data directory', () => {
  it('is what was given, then TASKMASTER_DATA', () => {
    expect(dataDirectory('/a', { TASKMASTER_DATA: '/b' })).toBe('/a');
    expect(dataDirectory(undefined, { TASKMASTER_DATA: '/b' })).toBe('/b');
    expect(dataDirectory(undefined, {})).toMatch(/taskmaster/);
  });
});

describe('logs', () => {
  it('are emptied when they are large, while their writer goes on, and two older ones are kept', async () => {
    const path = join(directory, 'a.log');
    const log = await openLog(path);
    for (const word of ['first', 'second', 'third', 'fourth']) {
      await log.write(`${word.repeat(10)}\n`);
      await rotateLog(path, 10);
    }
    await log.write('now\n');
    await log.close();
    expect((await readdir(directory)).sort()).toEqual(['a.log', 'a.log.1', 'a.log.2']);
    expect(await readFile(path, 'utf8')).toBe('now\n');
    expect(await readFile(`${path}.1`, 'utf8')).toContain('fourth');
    expect(await readFile(`${path}.2`, 'utf8')).toContain('third');
  });

  it('are left alone while they are small', async () => {
    await writeFile(join(directory, 'a.log'), 'small');
    await rotateLog(join(directory, 'a.log'));
    await rotateLog(join(directory, 'absent.log'));
    expect(await readdir(directory)).toEqual(['a.log']);
  });

  it('end in words for people', async () => {
    const path = join(directory, 'a.log');
    await writeFile(path, 'plain\n{"level":50,"msg":"it broke","err":{"message":"no disk"}}\n{"level":30}\n');
    expect(await tailOfLog(path)).toBe('plain\nit broke: no disk\n{"level":30}');
    expect(await tailOfLog(path, 1)).toBe('{"level":30}');
    expect(await tailOfLog(join(directory, 'absent'))).toBe('(no log)');
  });
});

describe('the port that the environment asks for', () => {
  it('is a number, or nothing', () => {
    expect(portOf('8080')).toBe(8080);
    expect(portOf('')).toBeUndefined();
    expect(portOf(undefined)).toBeUndefined();
  });

  it('is refused when it is none, rather than another taken', () => {
    for (const text of ['abc', '70000', '-1']) expect(() => portOf(text)).toThrow(/GATEWAY_PORT is not a port\.\n {2}What to do: .*65535/);
  });
});
