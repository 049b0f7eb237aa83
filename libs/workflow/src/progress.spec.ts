import { describe, expect, it } from '@jest/globals';
import { timestampOf } from '@taskmaster/contracts';
import { allowedTransitions, isValidTransition } from './profiles/profile.js';
import { PROFILES } from './profiles/index.js';
import { metricsOf, progressPercentage } from './progress.js';

describe('profiles', () => {
  it('draw exactly the edges of the first seed', () => {
    const edges = PROFILES.cicd.transitions.filter((edge) => !edge.extension).map((edge) => `${edge.from}>${edge.to}`);
    expect(edges.sort()).toEqual(
      [
        'pending>nlp_parsing',
        'nlp_parsing>task_decomposition',
        'task_decomposition>dependency_resolution',
        'dependency_resolution>agent_assignment',
        'agent_assignment>processing',
        'processing>pr_created',
        'pr_created>validation_running',
        'validation_running>validation_passed',
        'validation_running>validation_failed',
        'validation_passed>merged',
        'validation_failed>processing',
        'processing>failed',
        'pending>cancelled',
        'nlp_parsing>cancelled',
        'task_decomposition>cancelled',
        'dependency_resolution>cancelled',
        'agent_assignment>cancelled',
        'processing>cancelled',
      ].sort(),
    );
  });

  it('do not let states be skipped', () => {
    expect(isValidTransition(PROFILES.squad, { from: 'pending', to: 'analyzing' }, false)).toBe(true);
    expect(isValidTransition(PROFILES.squad, { from: 'pending', to: 'completed' }, false)).toBe(false);
  });

  it.each(Object.values(PROFILES).map((profile) => [profile.name, profile] as const))(
    'name only their own states (%s)',
    (_name, profile) => {
      const names = profile.states.map((state) => state.name);
      for (const edge of profile.transitions) expect(names).toEqual(expect.arrayContaining([edge.from, edge.to]));
      for (const state of profile.states)
        if (state.next !== undefined) expect(allowedTransitions(profile, state.name, true)).toContain(state.next);
      for (const terminal of Object.keys(profile.terminal)) expect(allowedTransitions(profile, terminal, false)).toEqual([]);
    },
  );
});

describe('progress', () => {
  it("follows the third seed's formula", () => {
    expect(progressPercentage(PROFILES.squad, 'in_progress')).toBe(62);
    expect(progressPercentage(PROFILES.squad, 'pending')).toBe(12);
    expect(progressPercentage(PROFILES.squad, 'completed')).toBe(100);
  });

  it("floors the metrics of a history as in the seed's example", () => {
    const states = ['pending', 'analyzing', 'planning', 'delegated', 'in_progress', 'reviewing', 'testing', 'completed'];
    const history = states.map((state, i) => ({ state, timestamp: timestampOf(Math.round((i * 3_600_000) / 7)) }));
    const metrics = metricsOf(history, timestampOf(9_999_999), true);
    expect(metrics).toMatchObject({ total_transitions: 7, total_duration_seconds: 3600, average_time_per_state_seconds: 514 });
    expect(metrics.time_in_each_state_seconds['pending']).toBe(514);
  });

  it('counts the time in the present state until now', () => {
    const history = [{ state: 'pending', timestamp: timestampOf(0) }];
    expect(metricsOf(history, timestampOf(5_000), false)).toMatchObject({
      total_transitions: 0,
      total_duration_seconds: 5,
      average_time_per_state_seconds: 0,
    });
  });
});
