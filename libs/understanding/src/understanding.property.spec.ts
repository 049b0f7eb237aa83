import { describe, expect, it } from '@jest/globals';
import { parseStepId, STEP_INPUT_BYTES_MAX, STEP_OUTPUT_BYTES_MAX, type RequirementItem } from '@taskmaster/contracts';
import fc from 'fast-check';
import { extractTaskMetadata } from './classify.js';
import { validateCompletion } from './completion.js';
import { decomposeTask } from './decompose.js';
import { identifyDependencies } from './dependencies.js';
import { generateInstructions } from './instructions.js';
import { parseRequirements } from './parse.js';
import { utf8Length } from './text.js';

const FRAGMENTS = [
  'add',
  'create',
  'fix',
  'then',
  'and',
  ',',
  ', ',
  '.',
  '\n',
  '\n- ',
  '\n1. ',
  '\n## Background\n',
  '\n```\n',
  '"',
  "'",
  '`',
  'with',
  'including',
  'before',
  'after testing',
  'once',
  'login',
  'tests',
  'documentation',
  'the API',
  'a page',
  'must',
  'should be able to',
  'if',
  ':',
  '(',
  ')',
  'as a user, I want to',
  'so that',
  'Quoted0q',
  '请',
  'é',
  '🙂',
  '\u0000',
  '--flag',
  '/a/b',
  'http://x.y/z',
  'database',
  'deploy',
  'authentication',
  'password reset',
  '[ ] ',
  '> ',
  '**',
];
const prose = fc.array(fc.constantFrom(...FRAGMENTS), { maxLength: 60 }).map((parts) => parts.join(' '));
const anything = fc.oneof({ weight: 3, arbitrary: prose }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 400 }) });

/** Ids that can never start because they wait for each other. */
function stuck(nodes: readonly { readonly id: string; readonly dependsOn?: readonly string[] }[]): readonly string[] {
  let open = nodes;
  for (;;) {
    const ids = new Set(open.map(({ id }) => id));
    const next = open.filter(({ dependsOn }) => (dependsOn ?? []).some((on) => ids.has(on)));
    if (next.length === open.length) return open.map(({ id }) => id);
    open = next;
  }
}

function plan(text: string) {
  const parsed = parseRequirements(text);
  if (!parsed.ok) return undefined;
  const { items, metadata } = parsed.value;
  const decomposed = decomposeTask(items, { text, metadata });
  return decomposed.ok ? { items, metadata, steps: decomposed.value.steps } : undefined;
}

describe('the offline rules', () => {
  it('make of any text an error or an acyclic plan of valid, bounded, uniquely named steps', () => {
    fc.assert(
      fc.property(anything, (text) => {
        const planned = plan(text);
        if (planned === undefined) return;
        const { items, steps } = planned;
        expect(stuck(items)).toEqual([]);
        expect(stuck(steps)).toEqual([]);
        expect(steps.length).toBeGreaterThan(0);
        expect(steps.length).toBeLessThanOrEqual(14);
        const ids = new Set(steps.map(({ id }) => id));
        expect(ids.size).toBe(steps.length);
        for (const { id, dependsOn, input } of steps) {
          expect(parseStepId(id).ok).toBe(true);
          expect((dependsOn ?? []).every((on) => ids.has(on))).toBe(true);
          expect(utf8Length(JSON.stringify(input))).toBeLessThanOrEqual(STEP_INPUT_BYTES_MAX);
        }
        expect(utf8Length(JSON.stringify({ steps }))).toBeLessThan(STEP_OUTPUT_BYTES_MAX);
      }),
      { numRuns: 250 },
    );
  });

  it('say the same of the same text every time', () => {
    fc.assert(
      fc.property(anything, (text) => {
        expect(plan(text)).toEqual(plan(text));
        expect(extractTaskMetadata(text)).toEqual(extractTaskMetadata(text));
      }),
      { numRuns: 60 },
    );
  });

  it('never order items in a circle, whatever they claim to depend on', () => {
    const item = fc.record({
      title: fc.constantFrom(
        'Add login',
        'Create the database schema',
        'Write tests',
        'Build the API',
        'Create the page',
        'Deploy it',
        'Document it',
        'Add authentication',
      ),
      type: fc.constantFrom('data', 'api', 'ui', 'test', 'documentation', 'security', 'feature'),
      on: fc.array(fc.nat(9), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 10 }), (drawn) => {
        const items = drawn.map(({ title, type, on }, index): RequirementItem => ({
          id: `i${String(index)}`,
          title,
          description: title,
          type,
          priority: 'medium',
          dependsOn: on.map((other) => `i${String(other)}`),
        }));
        expect(stuck(identifyDependencies(items))).toEqual([]);
      }),
    );
  });

  it('never throw on what a worker reports or a step asks for', () => {
    fc.assert(
      fc.property(fc.object({ withNullPrototype: false }), fc.string(), (result, text) => {
        const json = JSON.parse(JSON.stringify(result)) as never;
        expect(validateCompletion({ title: text, acceptanceCriteria: [text] }, json).findings).toHaveLength(2);
        expect(typeof generateInstructions({ title: text, instruction: text }, { requirement: text, context: json })).toBe('string');
      }),
      { numRuns: 100 },
    );
  });

  const HOSTILE: readonly (readonly [name: string, text: string])[] = [
    ['one letter', 'a'.repeat(65_536)],
    ['points', '.'.repeat(65_536)],
    ['quotes', '"'.repeat(65_536)],
    ['commas', 'add a,'.repeat(11_000)],
    ['and', 'add a and '.repeat(6_500)],
    ['then', 'add a then '.repeat(6_000)],
    ['brackets', '(['.repeat(32_000)],
    ['short sentences', 'Add a. '.repeat(9_300)],
    ['bullets', '- add x\n'.repeat(8_000)],
    ['spaces', `add ${' '.repeat(65_000)}x`],
    ['dashes', '- '.repeat(32_000)],
    ['before', 'add a before adding '.repeat(3_200)],
    ['including', 'add a including b, '.repeat(3_400)],
    ['with', 'create an app with a '.repeat(3_100)],
    ['backticks', '`a'.repeat(32_000)],
    ['slashes', '/a'.repeat(32_000)],
    ['modals', 'x must y '.repeat(7_000)],
    ['nested lists', Array.from({ length: 300 }, (_, i) => `${' '.repeat(i)}- add thing ${String(i)}`).join('\n')],
    ['emoji', '🙂'.repeat(16_000)],
    ['mixed words', 'Implement the first thing, and the second one with tests; '.repeat(1_100)],
    ['newlines', '\n'.repeat(65_536)],
    ['fences', '```\n'.repeat(16_000)],
    ['percent', '1 ms at most 2 % '.repeat(3_800)],
  ];
  it.each(HOSTILE)('read 64 KiB of %s in bounded time', (_, text) => {
    const startedAt = performance.now();
    plan(text);
    extractTaskMetadata(text);
    // Generous for a loaded machine: what is caught here takes minutes or for ever.
    expect(performance.now() - startedAt).toBeLessThan(5_000);
  });
});
