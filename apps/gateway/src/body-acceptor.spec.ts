import { describe, expect, it } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { acceptorOf } from './body-acceptor.js';
import type { Dto } from './dto-rules.js';
import { ExecuteWorkflowDto } from './dto/execute-workflow.dto.js';
import { ParseRequirementDto, ReasonDto, ResolveEscalationDto } from './dto/requests.dto.js';

const WHOLE = {
  plan: {
    steps: [
      { id: 'a', kind: 'command.run', input: { builtin: 'noop', deep: [{ any: null }] } },
      {
        id: 'b',
        title: 'Second',
        kind: 'agent.run',
        dependsOn: ['a'],
        needs: { role: 'developer', capabilities: ['x'], languages: ['go'], specialisations: [], agentId: 'one', agentType: 'claude' },
        retry: { maxAttempts: 3, initialIntervalMs: 0, multiplier: 1.5, maxIntervalMs: 10, jitter: 0.5, nonRetryable: ['timeout'] },
        timeoutMs: 1,
        onFailure: 'continue',
      },
    ],
  },
  profile: 'simple',
  title: 'A title',
  repository: { url: '/srv/repository', branch: 'main', forge: 'local' },
  context: { any: { thing: [1, 'two', null] } },
  delegation: 'auto',
  priority: 'high',
  options: {
    drive: 'auto',
    strict: false,
    timeoutMs: 1_000,
    maxFixCycles: 0,
    maxConcurrentSteps: 5,
    enableNlp: true,
    enableAgentCoordination: true,
    validation: [{ name: 'test', command: ['npm', 'test'], timeoutMs: 5 }],
    escalationTimeoutMs: 60_000,
  },
};

const BODIES: readonly (readonly [Dto, object])[] = [
  [ExecuteWorkflowDto, WHOLE],
  [ExecuteWorkflowDto, { requirement: 'Add a greeting' }],
  [ExecuteWorkflowDto, { taskId: 'task-1' }],
  [ReasonDto, {}],
  [ReasonDto, { reason: 'because' }],
  [ResolveEscalationDto, { decision: 'retry', note: 'again', escalationId: 'e' }],
  [ParseRequirementDto, { text: 'Add a greeting', context: {} }],
];

const isValid = (dto: Dto, body: object): boolean =>
  validateSync(plainToInstance(dto, body), { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true }).length === 0;

type Path = readonly (string | number)[];

/** Every place in a body, the body's own members and those of what it holds. */
function placesIn(value: unknown, at: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.keys(value).flatMap((name) => {
    const path = [...at, name];
    return [path, ...placesIn((value as Record<string, unknown>)[name], path)];
  });
}

/** The same body with another value at one place; `undefined` takes the place away. */
function changed(body: object, path: Path, to: unknown): object {
  const copy = structuredClone(body);
  let holder = copy as Record<string | number, unknown>;
  for (const name of path.slice(0, -1)) holder = holder[name] as Record<string | number, unknown>;
  const last = path.at(-1) ?? '';
  if (to === undefined) delete holder[last];
  else holder[last] = to;
  return copy;
}

const odd = fc.oneof(
  fc.constantFrom<unknown>(
    undefined,
    null,
    '',
    'x',
    0,
    -1,
    1.5,
    1e300,
    true,
    [],
    {},
    [null],
    ['x'],
    [[]],
    'a'.repeat(3_000),
    '-x',
    '🙂'.repeat(70),
  ),
  fc.integer(),
  fc.double(),
  fc.string(),
  fc.jsonValue(),
);

describe('a body that the compiled rules accept', () => {
  it.each(BODIES)('is every usual one: %p %p', (dto, body) => {
    expect(acceptorOf(dto)(body)).toBe(true);
    expect(isValid(dto, body)).toBe(true);
  });

  it('is accepted by the validator as well, whatever it is', () => {
    const cases = BODIES.map(([dto, body]) => ({ dto, body, accepts: acceptorOf(dto), places: [...placesIn(body), ['more']] }));
    let accepted = 0;
    fc.assert(
      fc.property(fc.constantFrom(...cases), fc.nat(), odd, ({ dto, body, accepts, places }, place, to) => {
        const changedBody = changed(body, places[place % places.length] ?? [], to);
        if (!accepts(changedBody)) return;
        accepted += 1;
        expect(isValid(dto, changedBody)).toBe(true);
      }),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  it.each([
    ['a member nobody knows', { requirement: 'x', more: 1 }],
    ['a member nobody knows inside', { plan: { steps: [{ id: 'a', kind: 'command.run', more: 1 }] } }],
    ['a list instead of an object', []],
    ['no object', 'requirement'],
    ['nothing', undefined],
    ['null where a member may be absent: that is for the validator to say', { requirement: 'x', title: null }],
  ])('is not %s', (_what, body) => {
    expect(acceptorOf(ExecuteWorkflowDto)(body)).toBe(false);
  });
});
