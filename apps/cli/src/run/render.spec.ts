import { describe, expect, it } from '@jest/globals';
import { narrate } from './narrate.js';
import { renderRun } from './render.js';
import { DELIVERY, momentAfter, runOf, story } from './run.fixture.js';
import { emptyRun, watch } from './run.js';

const plain = (count: number, columns = 80): readonly string[] =>
  renderRun(runOf(DELIVERY.slice(0, count)), { columns, colour: false, now: momentAfter(count) });

const withoutColour = (line: string): string => line.replace(/\u001b\[\d+m/g, '');

describe('a run on the screen', () => {
  it.each([40, 80, 120])('never has a line wider than %d columns, at any moment of a delivery', (columns) => {
    for (let count = 1; count <= DELIVERY.length; count += 1) {
      for (const line of plain(count, columns)) expect({ line, fits: line.length < columns }).toEqual({ line, fits: true });
    }
  });

  it('is the same in colour and without, but for the colours', () => {
    const run = runOf(DELIVERY);
    const coloured = renderRun(run, { columns: 80, colour: true, now: momentAfter(9) });
    expect(coloured.join('\n')).toContain('\u001b[32m');
    expect(coloured.map(withoutColour)).toEqual(renderRun(run, { columns: 80, colour: false, now: momentAfter(9) }));
  });

  it('marks the states that are passed, current and to come', () => {
    const text = plain(8).join('\n');
    expect(text).toContain('✔ task_decomposition');
    expect(text).toContain('● dependency_resolution');
    expect(text).toMatch(/→ validation_running|validation_running/);
    expect(text).not.toContain('✔ merged');
  });

  it('names the workflow that a step is', () => {
    const plan = { steps: [{ id: 'docs', title: 'Write the docs', kind: 'workflow.run', dependsOn: [] }] };
    const started = { stepId: 'docs', attempt: 1, holder: 'wf_child', leaseMs: 1, deadlineAt: '' };
    const events = story(['PlanAdopted', plan], ['StepStarted', started]);
    const run = runOf(events);
    expect(renderRun(run, { columns: 80, colour: false, now: momentAfter(2) }).join('\n')).toMatch(
      /Write the docs[^]*as workflow wf_child/,
    );
    expect(narrate(run, events[1] as (typeof events)[number])).toBe('started: Write the docs as workflow wf_child');
  });

  it('shows the plan as a tree, each step under its last dependency', () => {
    const lines = plain(8);
    const at = lines.findIndex((line) => line.includes('Design the user schema'));
    expect(lines[at]).toMatch(/^ {2}└─ · Design/);
    expect(lines[at + 1]).toMatch(/^ {5}└─ · Implement login/);
    expect(lines[at + 2]).toMatch(/^ {8}└─ · Implement password reset \(also after schema\)/);
  });

  it('says who works and why, and that the agent is SIMULATED', () => {
    const text = plain(14, 120).join('\n');
    expect(text).toContain('simulated-1 (claude-code) SIMULATED: best of 1: role 20');
    expect(text).toContain('writing src/schema.js');
  });

  it('says SIMULATED once of an agent whose name says so, and leaves room for why', () => {
    const assignment = {
      agentName: 'SIMULATED agent 1',
      agentType: 'custom',
      simulated: true,
      reason: 'SIMULATED agent 1 (SIMULATED) has 51.5 points (capability 24).',
    };
    const told = story(
      ['PlanAdopted', { steps: [{ id: 'a', title: 'Add it', kind: 'agent.run', dependsOn: [] }] }],
      ['StepAssigned', { stepId: 'a', attempt: 1, assignment }],
    );
    const lines = renderRun(runOf(told), { columns: 80, colour: false, now: momentAfter(2) });
    expect(lines.find((line) => line.includes('SIMULATED'))?.trim()).toBe('SIMULATED agent 1: 51.5 points (capability 24).');
  });

  it('says that nobody but rules understood the requirement', () => {
    expect(plain(6).join('\n')).toContain('understood by offline rules, no model');
  });

  it('ends with the pull request, the validation and the merge', () => {
    const text = plain(DELIVERY.length).join('\n');
    expect(text).toMatch(/Pull request {2}#1 merged/);
    expect(text).toMatch(/✔ npm test .* 1\.2 s/);
    expect(text).toContain('✔ abcdef012345 on main');
    expect(text).toContain('completed: merged');
  });

  it('does not pass off a validation without checks as a tested one', () => {
    const untested = story(['ValidationRecorded', { cycle: 1, passed: true, commit: 'abcdef0123456789', checks: [] }]);
    const run = runOf(untested);
    expect(renderRun(run, { columns: 80, colour: false, now: momentAfter(1) }).join('\n')).toContain('nothing was checked');
    expect(untested.map((event) => narrate(run, event))).toEqual([
      'validation passed: nothing was checked: no test command was found in the repository',
    ]);
  });

  it('counts how often a state was entered and names the states beside the usual way', () => {
    const again = story(
      ['WorkflowRequested', { request: { title: 'x', profile: 'cicd' } }],
      ...(['validation_running', 'validation_failed', 'processing', 'validation_running'] as const).map(
        (state) => ['WorkflowTransitioned', { from: '', to: state, reason: '', metadata: {} }] as const,
      ),
    );
    const text = renderRun(runOf(again), { columns: 200, colour: false, now: momentAfter(9) }).join('\n');
    expect(text).toContain('● validation_running ×2');
    expect(text).toContain('✔ validation_failed');
  });

  it('says of a run that waits for a person what the person can do', () => {
    const waiting = story(['EscalationRaised', { from: 'processing', reason: 'step a failed 3 times' }]);
    const lines = renderRun(runOf(waiting), { columns: 80, colour: false, now: momentAfter(1) });
    expect(lines.slice(-3)).toEqual([
      'Waits for a person: step a failed 3 times',
      'To answer, with retry or fail:',
      '  task-master workflow resolve wf_1 retry',
    ]);
  });

  it('shows what an agent says and never obeys it', () => {
    const evil = story(
      ['StepReadied', { stepId: 'a', attempt: 1, kind: 'agent.run', input: {} }],
      ['PlanAdopted', { steps: [{ id: 'a', title: 'clear\u001b[2J\nme', kind: 'agent.run', dependsOn: [] }] }],
    );
    const lines = renderRun(runOf(evil), { columns: 80, colour: false, now: momentAfter(1) });
    expect(lines.join('')).not.toContain('\u001b');
    expect(lines.every((line) => !line.includes('\n'))).toBe(true);
  });

  it('counts events of types it does not know and goes on', () => {
    const run = watch(emptyRun('wf_1'), {
      position: 1,
      stream: 'workflow-wf_1',
      version: 1,
      type: 'SomethingNewer',
      at: '2026-01-01T00:00:00.000Z',
      data: {},
    });
    expect(run.events).toBe(1);
    expect(run.state).toBe('pending');
  });
});

describe('a run in lines', () => {
  it('tells a delivery from the request to the merge', () => {
    let run = emptyRun('wf_1');
    const lines = DELIVERY.flatMap((event) => {
      run = watch(run, event);
      return narrate(run, event) ?? [];
    });
    expect(lines[0]).toBe('requested: Create a REST API for user management with authentication (cicd)');
    expect(lines).toContain(
      'assigned: Design the user schema to simulated-1 (SIMULATED): best of 1: role 20, capability 30, availability 15, load 10',
    );
    expect(lines.find((line) => line.startsWith('plan:'))).toBe(
      [
        'plan: 3 steps',
        '  └─ Design the user schema',
        '     └─ Implement login',
        '        └─ Implement password reset (also after schema)',
      ].join('\n'),
    );
    expect(lines).toContain('validation passed: npm test passed');
    expect(lines).toContain('merged: abcdef0123456789 on main');
    expect(lines.at(-1)).toBe('ended: completed (merged)');
  });
});
