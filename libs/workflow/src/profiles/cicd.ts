import { extension, seed, type Profile } from './profile.js';

/** S1: from requirement to merge. States and edges exactly as in the seed (R15–R45). */
export const cicd: Profile = {
  name: 'cicd',
  initial: 'pending',
  states: [
    { name: 'pending', phase: 'queue', stages: ['admit'], next: 'nlp_parsing' },
    { name: 'nlp_parsing', phase: 'analyze', stages: ['analyze'], next: 'task_decomposition' },
    { name: 'task_decomposition', phase: 'plan', stages: ['plan'], next: 'dependency_resolution' },
    { name: 'dependency_resolution', phase: 'plan', stages: ['resolve'], next: 'agent_assignment' },
    { name: 'agent_assignment', phase: 'delegate', stages: ['delegate'], next: 'processing' },
    { name: 'processing', phase: 'implement', stages: ['execute', 'land'], next: 'pr_created' },
    { name: 'pr_created', phase: 'review', stages: ['review'], next: 'validation_running' },
    {
      name: 'validation_running', phase: 'test', stages: ['validate'], next: 'validation_passed',
      onFailure: { validate: { kind: 'go', to: 'validation_failed' } },
    },
    {
      name: 'validation_passed', phase: 'finish', stages: ['merge'], next: 'merged',
      onFailure: { merge: { kind: 'go', to: 'validation_failed' } },
    },
    { name: 'validation_failed', phase: 'test', stages: ['repair'], next: 'processing' },
    { name: 'merged', phase: 'finish', stages: [] },
    { name: 'failed', phase: 'finish', stages: [] },
    { name: 'cancelled', phase: 'finish', stages: [] },
  ],
  terminal: { merged: 'completed', failed: 'failed', cancelled: 'cancelled' },
  cancelled: 'cancelled',
  failed: 'failed',
  progressOrder: [
    'pending', 'nlp_parsing', 'task_decomposition', 'dependency_resolution', 'agent_assignment', 'processing', 'pr_created',
    'validation_running', 'validation_passed', 'merged',
  ],
  transitions: [
    ...seed(
      ['pending', 'nlp_parsing'], ['nlp_parsing', 'task_decomposition'], ['task_decomposition', 'dependency_resolution'],
      ['dependency_resolution', 'agent_assignment'], ['agent_assignment', 'processing'], ['processing', 'pr_created'],
      ['pr_created', 'validation_running'], ['validation_running', 'validation_passed'], ['validation_running', 'validation_failed'],
      ['validation_passed', 'merged'], ['validation_failed', 'processing'], ['processing', 'failed'],
      ['pending', 'cancelled'], ['nlp_parsing', 'cancelled'], ['task_decomposition', 'cancelled'],
      ['dependency_resolution', 'cancelled'], ['agent_assignment', 'cancelled'], ['processing', 'cancelled'],
    ),
    ...extension(
      ['validation_passed', 'validation_failed'],
      ['pending', 'failed'], ['nlp_parsing', 'failed'], ['task_decomposition', 'failed'], ['dependency_resolution', 'failed'],
      ['agent_assignment', 'failed'], ['pr_created', 'failed'], ['validation_running', 'failed'], ['validation_passed', 'failed'],
      ['validation_failed', 'failed'],
      ['pr_created', 'cancelled'], ['validation_running', 'cancelled'], ['validation_passed', 'cancelled'], ['validation_failed', 'cancelled'],
    ),
  ],
};
