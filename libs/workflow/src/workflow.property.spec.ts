import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PROFILE_NAMES, type StepDraft, type WorkflowCommand } from '@taskmaster/contracts';
import { workflowDecider } from './decide.js';
import { parsePlan } from './plan.js';
import { stepRows, workflowRow } from './rows.js';
import { isSettled } from './step.js';
import { allSteps } from './steps.js';
import { agentStep, assignment, noopStep, planRequest, repository, requirementRequest, step, story, type Story } from './story.fixture.js';

/** Plans whose steps depend on earlier ones only: every one is acyclic. */
const acyclic = fc.integer({ min: 1, max: 12 }).chain((size) =>
  fc
    .tuple(
      ...Array.from({ length: size }, (_, i) =>
        fc.subarray(
          Array.from({ length: i }, (__, j) => `s${String(j)}`),
          { maxLength: Math.min(i, 4) },
        ),
      ),
    )
    .map((dependencies) => dependencies.map((dependsOn, i): StepDraft => noopStep(`s${String(i)}`, ...dependsOn))),
);

const IDS = [
  'one',
  'two',
  'three',
  'tm-analyze-1',
  'tm-plan-1',
  'tm-land-1',
  'tm-validate-1',
  'tm-merge-1',
  'tm-land-2',
  'tm-validate-2',
  'tm-merge-2',
  'fix-1',
  'tm-discard-0',
];
const OUTPUTS = [
  {},
  { items: [{ id: 'i' }], metadata: {}, use: {} },
  { plan: { steps: [agentStep('one'), agentStep('two', 'one')] }, use: {} } as never,
  { number: 1, url: 'u', title: 't', source: 's', target: 'main', head: 'h' },
  { passed: true, commit: 'm', base: 'b', checks: [] },
  { passed: false, commit: 'n', base: 'b', checks: [] },
  { merged: true, commit: 'm', number: 1, target: 'main' },
];

const anyCommand: fc.Arbitrary<WorkflowCommand> = fc.oneof(
  ...(['PauseWorkflow', 'ResumeWorkflow', 'CancelWorkflow'] as const).map((type) =>
    fc.constant<WorkflowCommand>({ type, data: { reason: 'r' } }),
  ),
  fc
    .record({
      escalationId: fc.constantFrom('step-one-1', 'step-one-2', 'step-two-1', 'fix-cycles-1'),
      decision: fc.constantFrom('retry' as const, 'fail' as const),
    })
    .map((data): WorkflowCommand => ({ type: 'ResolveEscalation', data: { ...data, note: 'n' } })),
  ...(['AdmitWorkflow', 'ExpireWorkflow'] as const).map((type) => fc.constant<WorkflowCommand>({ type, data: {} })),
  fc
    .record({
      id: fc.constantFrom(...IDS),
      attempt: fc.integer({ min: 1, max: 3 }),
      pick: fc.constantFrom(...OUTPUTS),
      kind: fc.integer({ min: 0, max: 5 }),
    })
    .map(({ id, attempt, pick, kind }): WorkflowCommand => {
      const at = { stepId: step(id), attempt };
      if (kind < 2)
        return { type: 'StartStep', data: { ...at, holder: 'holder', leaseMs: 10, ...(id.startsWith('tm-') ? {} : { assignment }) } };
      if (kind < 4) return { type: 'CompleteStep', data: { ...at, by: 'holder', durationMs: 1, output: pick } };
      if (kind === 4) return { type: 'FailStep', data: { ...at, by: 'holder', error: { type: 'agent', message: 'm', retryable: true } } };
      return { type: 'RetryStep', data: at };
    }),
);

const live = (told: Story, commands: readonly WorkflowCommand[]): void => {
  for (const command of commands) told.after(50).when(command);
};

const asks = (onFailure: 'escalate' | 'block'): Partial<StepDraft> => ({ onFailure, retry: { maxAttempts: 1 } });

/** The ladder to the merge, so that random commands reach every state and not only the first. */
const LADDER: readonly ((told: Story) => unknown)[] = [
  (t) => t.planned({ ...agentStep('one'), ...asks('escalate') }, { ...agentStep('two', 'one'), ...asks('block') }, agentStep('three')),
  (t) => t.start('one', 1, assignment),
  (t) => t.complete('one'),
  (t) => t.start('two', 1, assignment),
  (t) => t.complete('two'),
  (t) => t.start('three', 1, assignment),
  (t) => t.complete('three'),
  (t) => t.landed(1),
  (t) => t.validated(1, true),
  (t) => t.start('tm-merge-1'),
];

describe('WorkflowStateMachine: any sequence of commands', () => {
  it('folds without breaking an invariant, and rows follow from the fold alone', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: LADDER.length }),
        fc.constantFrom(...PROFILE_NAMES),
        fc.array(anyCommand, { maxLength: 40 }),
        (rungs, profile, commands) => {
          const told = story().request(requirementRequest({ repository, profile }));
          LADDER.slice(0, rungs).forEach((climb) => climb(told));
          live(told, commands);
          const again = told.events.reduce(
            (state, event) => workflowDecider.evolve(state, { ...event, at: told.now }),
            workflowDecider.initial,
          );
          expect(workflowRow(again)?.version).toBe(told.events.length);
          expect(stepRows(workflowDecider.initial, again).map((row) => [row.stepId, row.status, row.attempt])).toEqual(
            stepRows(workflowDecider.initial, told.workflow).map((row) => [row.stepId, row.status, row.attempt]),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('accepts nothing once the workflow has ended', () => {
    fc.assert(
      fc.property(fc.array(anyCommand, { minLength: 1, maxLength: 20 }), (commands) => {
        const told = story()
          .request(planRequest({ steps: [noopStep('one')] }))
          .complete('one');
        for (const command of commands) expect(['rejected', 'noop']).toContain(told.when(command).kind);
      }),
    );
  });

  it('never lets progress go back', () => {
    fc.assert(
      fc.property(fc.array(anyCommand, { maxLength: 40 }), (commands) => {
        const told = story().request(requirementRequest());
        let before = 0;
        for (const command of commands) {
          told.when(command);
          expect(told.live.progress).toBeGreaterThanOrEqual(before);
          before = told.live.progress;
        }
      }),
    );
  });
});

describe('any acyclic plan', () => {
  it('is parsed, and runs to its end without starting a step before its dependencies', () => {
    fc.assert(
      fc.property(acyclic, fc.infiniteStream(fc.nat()), (steps, picks) => {
        expect(parsePlan({ steps }).ok).toBe(true);
        const told = story().request(planRequest({ steps }));
        while (told.live.status === 'active') {
          const ready = allSteps(told.live.steps).filter((s) => s.situation.status === 'ready');
          const pick = ready[(picks.next().value as number) % ready.length];
          expect(pick?.spec.dependsOn.every((id) => isSettled(told.step(id)!))).toBe(true);
          told.complete(pick?.spec.id ?? '');
        }
        expect(told.live.ended?.outcome).toBe('completed');
      }),
    );
  });

  it('becomes a named cycle when an edge back is added', () => {
    fc.assert(
      fc.property(
        acyclic.filter((steps) => (steps.at(-1)?.dependsOn ?? []).length > 0),
        (steps) => {
          const last = steps.at(-1)!;
          const first = last.dependsOn![0]!;
          const cyclic = steps.map((s) => (s.id === first ? { ...s, dependsOn: [...(s.dependsOn ?? []), last.id] } : s));
          const parsed = parsePlan({ steps: cyclic });
          const named = parsed.ok || parsed.error.kind !== 'plan-cycle' ? [] : parsed.error.stepIds;
          expect(named.length).toBeGreaterThan(1);
          named.slice(1).forEach((id, i) => expect(cyclic.find((s) => s.id === id)?.dependsOn).toContain(named[i]));
        },
      ),
    );
  });
});
