import { extension, seed, type Profile } from './profile.js';

/** S4: one active state in which whatever the workflow needs happens (R425–R460). Its words are `in_progress` and `completed` (C19). */
export const simple: Profile = {
  name: 'simple',
  initial: 'pending',
  states: [
    { name: 'pending', phase: 'queue', stages: ['admit'], next: 'in_progress' },
    {
      name: 'in_progress',
      phase: 'implement',
      stages: ['analyze', 'plan', 'resolve', 'execute', 'land', 'validate', 'merge'],
      next: 'completed',
      onFailure: { validate: { kind: 'repair', to: 'in_progress' }, merge: { kind: 'repair', to: 'in_progress' } },
    },
    { name: 'blocked', phase: 'implement', stages: [] },
    { name: 'completed', phase: 'finish', stages: [] },
    { name: 'failed', phase: 'finish', stages: [] },
    { name: 'cancelled', phase: 'finish', stages: [] },
  ],
  terminal: { completed: 'completed', failed: 'failed', cancelled: 'cancelled' },
  cancelled: 'cancelled',
  failed: 'failed',
  progressOrder: ['pending', 'in_progress', 'completed'],
  transitions: [
    ...seed(['pending', 'in_progress'], ['in_progress', 'completed'], ['in_progress', 'failed']),
    ...extension(
      ['pending', 'failed'],
      ['pending', 'cancelled'],
      ['in_progress', 'cancelled'],
      ['in_progress', 'blocked'],
      ['blocked', 'in_progress'],
      ['blocked', 'failed'],
      ['blocked', 'cancelled'],
    ),
  ],
};
