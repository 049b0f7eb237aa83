import { extension, seed, type Profile } from './profile.js';

const ACTIVE = ['analyzing', 'planning', 'delegated', 'in_progress', 'reviewing', 'testing'] as const;

/** S3: a squad led by a project manager. States and edges exactly as in the seed (R322–R354); it has no cancelled state. */
export const squad: Profile = {
  name: 'squad',
  initial: 'pending',
  states: [
    { name: 'pending', phase: 'queue', stages: ['admit'], next: 'analyzing' },
    { name: 'analyzing', phase: 'analyze', stages: ['analyze'], next: 'planning' },
    { name: 'planning', phase: 'plan', stages: ['plan', 'resolve'], next: 'delegated' },
    { name: 'delegated', phase: 'delegate', stages: ['delegate'], next: 'in_progress' },
    { name: 'in_progress', phase: 'implement', stages: ['execute'], next: 'reviewing' },
    { name: 'reviewing', phase: 'review', stages: ['land', 'review'], next: 'testing' },
    {
      name: 'testing',
      phase: 'test',
      stages: ['validate', 'merge'],
      next: 'completed',
      onFailure: { validate: { kind: 'repair', to: 'in_progress' }, merge: { kind: 'repair', to: 'in_progress' } },
    },
    { name: 'blocked', phase: 'implement', stages: [] },
    { name: 'completed', phase: 'finish', stages: [] },
    { name: 'failed', phase: 'finish', stages: [] },
  ],
  terminal: { completed: 'completed', failed: 'failed' },
  cancelled: 'failed',
  failed: 'failed',
  progressOrder: ['pending', 'analyzing', 'planning', 'delegated', 'in_progress', 'reviewing', 'testing', 'completed'],
  transitions: [
    ...seed(
      ['pending', 'analyzing'],
      ['analyzing', 'planning'],
      ['planning', 'delegated'],
      ['delegated', 'in_progress'],
      ['in_progress', 'reviewing'],
      ['reviewing', 'testing'],
      ['testing', 'completed'],
      ...ACTIVE.map((state): [string, string] => [state, 'blocked']),
      ...ACTIVE.map((state): [string, string] => [state, 'failed']),
      ...ACTIVE.map((state): [string, string] => ['blocked', state]),
      ['blocked', 'failed'],
    ),
    ...extension(['pending', 'failed'], ['testing', 'in_progress'], ['reviewing', 'in_progress']),
  ],
};
