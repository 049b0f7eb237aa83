// The rules that a machine can check (CONTRIBUTING.md). Each of the house rules is proven by a file in tools/fixtures that breaks it.
import { builtinModules } from 'node:module';
import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** A rule that forbids what its esquery selectors match and says what to use instead. */
const ban = (messages) => ({
  create: (context) =>
    Object.fromEntries(Object.entries(messages).map(([selector, message]) => [selector, (node) => context.report({ node, message })])),
});

const SUBJECT = String.raw`/^tm\.(work|cmd|qry|feed|dlq)\b/`;
const house = {
  rules: {
    environment: ban({
      "MemberExpression[object.name='process'][property.name='env']": 'Read the environment in config.ts and hand the value on.',
      'ImportDeclaration[source.value=/^(node:)?process$/]': 'Use the global process; its environment belongs to config.ts.',
    }),
    subjects: ban({
      [`Literal[value=${SUBJECT}]`]: 'Build subjects with contracts/subjects.ts.',
      [`TemplateElement[value.raw=${SUBJECT}]`]: 'Build subjects with contracts/subjects.ts.',
    }),
    pure: ban({
      "NewExpression[callee.name='Date'][arguments.length=0]": 'Time is an input.',
      "CallExpression[callee.name='Date']": 'Time is an input.',
      "MemberExpression[object.name='Date'][property.name='now']": 'Time is an input.',
      "MemberExpression[object.name='Math'][property.name='random']": 'Randomness is an input.',
      ':function[async=true]': 'The pure core is synchronous.',
      ImportExpression: 'The pure core loads nothing while it runs.',
    }),
    'every-test': ban({
      'CallExpression[callee.object.name=/^(it|test|describe)$/][callee.property.name=/^(only|skip|todo|failing)$/]':
        'Every test runs; a missing external program is skipped loudly with a condition.',
      'CallExpression[callee.callee.object.object.name=/^(it|test|describe)$/][callee.callee.object.property.name=/^(only|skip)$/]':
        'Every test runs.',
      'CallExpression[callee.name=/^(xit|xtest|xdescribe|fit|fdescribe)$/]': 'Every test runs.',
    }),
    sleep: ban({
      "NewExpression[callee.name='Promise'] CallExpression[callee.name='setTimeout'][arguments.0.type='Identifier']":
        'Wait on a condition with a deadline.',
      'ImportDeclaration[source.value=/^(node:)?timers.promises$/]': 'Wait on a condition with a deadline.',
      'CallExpression[callee.name=/^(sleep|delay)$/]': 'Wait on a condition with a deadline.',
    }),
  },
};

const PURE = ['**/libs/workflow/src/**/*.ts', '**/libs/understanding/src/**/*.ts', '**/libs/proof/src/**/*.ts', '**/*.projection.ts'];
const SPECS = ['**/*.spec.ts', '**/*.contract.ts'];

export default tseslint.config(
  { ignores: ['**/dist/**', '**/out-tsc/**', '**/node_modules/**', 'coverage/**', 'results/**', '.nx/**', 'tools/fixtures/**'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { 'import-x': importX, house },
    settings: {
      'import-x/extensions': ['.ts'],
      'import-x/resolver-next': [
        importX.createNodeResolver({
          extensions: ['.ts', '.js'],
          extensionAlias: { '.js': ['.ts', '.js'] },
          conditionNames: ['node', 'import', 'default'],
        }),
      ],
      'import-x/external-module-folders': ['node_modules', 'dist'],
    },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unsafe-return': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/max-params': ['error', { max: 4 }],
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 70 }],
      // An exhaustive switch is one decision: it reads as a table.
      complexity: ['error', { max: 10, variant: 'modified' }],
      eqeqeq: ['error', 'always'],
      'no-var': 'error',
      'prefer-const': 'error',
      'no-debugger': 'error',
      'no-empty': 'error',
      'house/environment': 'error',
      'house/subjects': 'error',
    },
  },
  { files: ['**/libs/contracts/src/subjects.ts'], rules: { 'house/subjects': 'off' } },
  {
    files: [
      '**/apps/*/src/config.ts',
      '**/apps/*/src/{main,migrate}.ts',
      'tools/*.ts',
      '**/libs/testing/**/*.ts',
      '**/libs/provision/**/*.ts',
      'tests/**/*.ts',
    ],
    rules: { 'house/environment': 'off' },
  },
  {
    files: PURE,
    ignores: SPECS,
    rules: {
      'house/pure': 'error',
      'no-restricted-imports': ['error', { paths: builtinModules, patterns: ['node:*', '@nestjs/*', 'pg', 'typeorm', 'nats'] }],
      'no-restricted-globals': [
        'error',
        ...[
          'process',
          'console',
          'setTimeout',
          'setInterval',
          'setImmediate',
          'queueMicrotask',
          'fetch',
          'crypto',
          'performance',
          'Buffer',
          'global',
        ],
      ],
    },
  },
  {
    files: SPECS,
    rules: {
      'house/every-test': 'error',
      'house/sleep': 'error',
      // A describe block is a chapter of sentences, not a unit of behaviour.
      'max-lines-per-function': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
);
