import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { installedMatches, jestArguments, packagesIn, supportsNode } from './bootstrap.mjs';

describe('the Node that the bootstrap accepts', () => {
  it.each(['20.19.0', '20.20.2', '22.12.0', '24.11.1'])('is %s', (version) => {
    expect(supportsNode(version)).toBe(true);
  });

  it.each(['18.20.4', '20.18.3', '21.7.0', '22.11.0'])('is not %s', (version) => {
    expect(supportsNode(version)).toBe(false);
  });
});

describe('an installation', () => {
  const lock = {
    packages: { '': {}, 'node_modules/a': { version: '1.0.0' }, 'node_modules/only-on-mac': { version: '1.0.0', optional: true } },
  };

  it('matches when every package that must be there has the locked version', () => {
    expect(installedMatches(lock, { packages: { 'node_modules/a': { version: '1.0.0' } } })).toBe(true);
  });

  it('does not match without node_modules, without a package or with another version of it', () => {
    expect(installedMatches(lock, undefined)).toBe(false);
    expect(installedMatches(lock, { packages: {} })).toBe(false);
    expect(installedMatches(lock, { packages: { 'node_modules/a': { version: '1.0.1' } } })).toBe(false);
  });
});

describe('the number of installed packages', () => {
  it('counts neither ourselves nor the links to our projects', () => {
    const packages = {
      '': {},
      'apps/cli': {},
      'node_modules/@taskmaster/cli': { link: true },
      'node_modules/a': {},
      'node_modules/a/node_modules/b': {},
    };
    expect(packagesIn({ packages })).toBe(2);
  });
});

describe('the arguments of npm test', () => {
  it('become what jest calls them', () => {
    expect(jestArguments(['--grep', 'a sentence', '--bail'])).toEqual(['-t', 'a sentence', '--bail']);
    expect(jestArguments(['--grep=a sentence'])).toEqual(['-t', 'a sentence']);
  });
});

describe('a fresh clone', () => {
  let clone: string;

  beforeEach(() => {
    clone = mkdtempSync(join(tmpdir(), 'taskmaster-clone-'));
    mkdirSync(join(clone, 'tools'));
    for (const file of ['package.json', 'package-lock.json', 'tools/bootstrap.mjs']) copyFileSync(file, join(clone, file));
  });

  afterEach(() => {
    rmSync(clone, { recursive: true, force: true });
  });

  /** Runs the bootstrap as `npm run demo` does, with a registry at which nothing listens. */
  const demo = (): Promise<{ readonly code: number | string | undefined; readonly errors: string }> =>
    new Promise((resolve) => {
      const env = {
        ...process.env,
        npm_config_registry: 'http://127.0.0.1:9/',
        npm_config_cache: join(clone, 'cache'),
        npm_config_offline: 'false',
      };
      const done = (fault: { code?: number | string | null } | null, _: string, errors: string): void => {
        resolve({ code: fault?.code ?? 0, errors });
      };
      execFile(process.execPath, ['tools/bootstrap.mjs', 'demo'], { cwd: clone, env }, done);
    });

  it('takes over the lock of a process that is gone, and says what to do when there is nothing to download from', async () => {
    writeFileSync(join(clone, '.bootstrap.lock'), '2147483646');
    const { code, errors } = await demo();
    expect(code).toBe(1);
    expect(errors).toContain('the npm registry does not answer');
    expect(errors).toContain('npm config set proxy');
    expect(existsSync(join(clone, '.bootstrap.lock'))).toBe(false);
  }, 60_000);
});
