import { describe, expect, it } from '@jest/globals';
import { EVENT_DATA_BYTES_MAX, PLAN_STEPS_MAX, utf8Bytes, type PlanDraft, type WorkflowEvent } from '@taskmaster/contracts';
import { workflowDecider } from './decide.js';
import { parsePlan } from './plan.js';
import { noopStep, planRequest, story, type Story } from './story.fixture.js';

const chainOf = (count: number): PlanDraft => ({
  steps: Array.from({ length: count }, (_, i) => noopStep(`s${String(i)}`, ...(i === 0 ? [] : [`s${String(i - 1)}`]))),
});
/** A first step, all but two at once, and a last for a few of them. */
const fanOf = (count: number): PlanDraft => ({
  steps: [
    noopStep('first'),
    ...Array.from({ length: count - 2 }, (_, i) => noopStep(`m${String(i)}`, 'first')),
    noopStep('last', 'm0', 'm1', 'm2'),
  ],
});
const bytesOf = (event: WorkflowEvent): number => utf8Bytes(JSON.stringify(event.data));
const adopted = (told: Story): readonly WorkflowEvent[] => told.events.filter(({ type }) => type === 'PlanAdopted');

describe('a plan that does not fit into an event', () => {
  it.each([
    ['a chain', chainOf(PLAN_STEPS_MAX)],
    ['a fan', fanOf(PLAN_STEPS_MAX)],
  ])('is adopted in parts that do, and is then the same plan: %s', (_name, draft) => {
    const told = story().request(planRequest(draft));
    expect(adopted(told).length).toBeGreaterThan(10);
    expect(Math.max(...told.events.map(bytesOf))).toBeLessThanOrEqual(EVENT_DATA_BYTES_MAX);
    const plan = parsePlan(draft);
    if (!plan.ok) throw new Error('it is a plan');
    expect(told.live.plan).toEqual({
      stepIds: plan.value.steps.map(({ id }) => id),
      waves: plan.value.waves,
      criticalPath: plan.value.criticalPath,
    });
    expect(told.live.request.source).toEqual({ kind: 'plan', plan: { steps: [] }, apart: true });
  });

  it('is there before a slot is free, and begins when one is', () => {
    const told = story();
    told.when({ type: 'RequestWorkflow', data: { request: planRequest(chainOf(PLAN_STEPS_MAX)) } }, { slotFree: false });
    expect(told.live.slot).toBe('queued');
    expect(told.step('s0')?.situation.status).toBe('pending');
    told.when({ type: 'AdmitWorkflow', data: {} });
    expect(told.step('s0')?.situation.status).toBe('ready');
    expect(told.step('s1')?.situation.status).toBe('pending');
  });

  it('is done step by step to its end', () => {
    const told = story().request(planRequest(chainOf(300)));
    for (let i = 0; i < 300; i += 1) told.complete(`s${String(i)}`);
    expect(told.live.ended?.outcome).toBe('completed');
    const again = told.events.reduce((state, event) => workflowDecider.evolve(state, { ...event, at: told.now }), workflowDecider.initial);
    expect(again.status !== 'absent' && again.plan).toEqual(told.live.plan);
  });

  it('stays in its request and in one event where it fits', () => {
    const told = story().request(planRequest(chainOf(20)));
    expect(adopted(told)).toHaveLength(1);
    expect(adopted(told)[0]?.data).not.toHaveProperty('part');
    expect(told.live.request.source).toEqual({ kind: 'plan', plan: chainOf(20) });
  });
});
