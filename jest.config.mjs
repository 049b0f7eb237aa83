import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

// One configuration for the whole workspace. A file's suffix names its level; scripts select by it (docs/testing.md).

// Opens the run that owns every Postgres and NATS of the specs. They start when a spec first asks; libs/testing must be built for that.
const testing = fileURLToPath(new URL('libs/testing/dist/', import.meta.url));
const run = existsSync(`${testing}global-setup.js`)
  ? { globalSetup: `${testing}global-setup.js`, globalTeardown: `${testing}global-teardown.js` }
  : {};

export default {
  ...run,
  rootDir: '.',
  roots: ['<rootDir>/libs', '<rootDir>/apps', '<rootDir>/tools', '<rootDir>/tests'],
  testEnvironment: 'node',
  testSequencer: '<rootDir>/tools/test-order.mjs',
  // The first spec that asks for a database waits for Postgres and the migrations, on machines that may be busy.
  testTimeout: 30_000,
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: ['**/src/**/*.spec.ts', '<rootDir>/tools/*.spec.ts', '<rootDir>/tests/**/*.spec.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/out-tsc/', '<rootDir>/tools/fixtures/'],
  modulePathIgnorePatterns: ['<rootDir>/tools/fixtures/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
          target: 'es2022',
        },
        module: { type: 'es6' },
      },
    ],
  },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
};
