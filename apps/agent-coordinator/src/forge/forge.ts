import { Fault, type StepError, type WorkflowId } from '@taskmaster/contracts';
import type { Mirror } from '../workspace/mirrors.js';

export interface PullRequestDraft {
  readonly workflowId: WorkflowId;
  readonly title: string;
  readonly body: string;
  readonly source: string;
  readonly target: string;
  readonly head: string;
}

export interface PullRequest {
  readonly number: number;
  readonly url: string;
  readonly title: string;
  readonly source: string;
  readonly target: string;
  readonly head: string;
  readonly state: 'open' | 'merged' | 'closed';
}

/** Where pull requests live. Every operation is idempotent per workflow: asking again finds what was made before. */
export interface Forge {
  /** Opens the workflow's pull request, or moves it to the new head. */
  ensurePullRequest(mirror: Mirror, draft: PullRequestDraft): Promise<PullRequest>;
  /** The candidate is the target's head now: says so in the record. */
  recordMerged(mirror: Mirror, workflowId: WorkflowId, merge: { readonly number: number; readonly commit: string }): Promise<void>;
  /** Closes the workflow's open pull request; undefined when there is none. */
  close(mirror: Mirror, workflowId: WorkflowId, reason: string): Promise<number | undefined>;
  /** For a target that may only be changed through the forge. Returns the commit the forge made. */
  mergeThere?(mirror: Mirror, merge: { readonly number: number; readonly head: string; readonly title: string }): Promise<string>;
}

/** The forge said no or could not be reached; carries what a failed attempt records. */
export class ForgeFault extends Fault {
  override readonly name = 'ForgeFault';
  readonly code = 'forge-failed';
  readonly retryable: boolean;
  constructor(
    readonly error: StepError,
    options?: { cause: unknown },
  ) {
    super(error.message, options);
    this.retryable = error.retryable;
  }
}
