/** Why the rules said no. Kebab-case; says what is true. The gateway maps each to a status code. */
export const REJECTION_CODES = [
  'workflow-not-found', 'workflow-already-exists', 'workflow-ended', 'workflow-paused', 'workflow-not-paused', 'workflow-merging',
  'workflow-cancelling', 'workflow-drives-itself', 'invalid-transition', 'escalation-not-found', 'unsupported-source',
  'plan-empty', 'plan-too-many-steps', 'plan-duplicate-step', 'plan-unknown-dependency', 'plan-cycle', 'plan-invalid-step',
  'requirement-too-large', 'repository-required', 'command-reused', 'malformed-command',
  'agent-not-found', 'api-key-already-issued', 'api-key-not-found', 'tenant-mismatch', 'event-too-large',
] as const;
export type RejectionCode = (typeof REJECTION_CODES)[number];
