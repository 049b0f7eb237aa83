import type { AgentView, AttemptRef, JsonObject, StepError, Timestamp } from '@taskmaster/contracts';

/** One attempt as a driver sees it: what to do, where, and until when. */
export interface DriverTask {
  readonly attempt: AttemptRef;
  readonly title: string;
  readonly prompt: string;
  /** Absolute path of the attempt's own worktree. */
  readonly workspace: string;
  readonly deadlineAt: Timestamp;
  readonly agent: AgentView;
}

/** How a session ended. `finished` is a claim only: the coordinator checks the evidence. */
export type DriverOutcome =
  | { readonly kind: 'finished'; readonly summary: string; readonly transcriptTail: string }
  | { readonly kind: 'failed'; readonly error: StepError };

/** One conversation with one agent about one attempt. */
export interface DriverSession {
  /** Resolves, never rejects. */
  readonly outcome: Promise<DriverOutcome>;
  /** Ends the session and everything it started; harmless when it has ended. */
  stop(reason: string): Promise<void>;
  /** Recorded so that a restarted coordinator can reattach or clean up. */
  readonly facts: JsonObject;
}

/** How we talk to a kind of agent. */
export interface AgentDriver {
  start(task: DriverTask, report: (message: string) => void): Promise<DriverSession>;
  /** Finds a session that outlived its coordinator; null when there is none. */
  reattach?(task: DriverTask, facts: JsonObject): Promise<DriverSession | null>;
  health(agent: AgentView): Promise<{ readonly available: boolean; readonly detail: string }>;
}
