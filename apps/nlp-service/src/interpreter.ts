import type {
  Fault,
  InterpreterUse,
  JsonObject,
  PlanDraft,
  RequirementItem,
  RequirementMetadata,
  Result,
  StepError,
} from '@taskmaster/contracts';

/** What was understood, and who understood it at what cost. */
export interface Interpreted<T> {
  readonly value: T;
  readonly use: InterpreterUse;
}

/** A "no" is a StepError: it says what is wrong and whether trying again can help. */
export type Interpretation<T> = Promise<Result<Interpreted<T>, StepError>>;

export interface ParseQuestion {
  readonly text: string;
  readonly context: JsonObject;
}
export interface Understanding {
  readonly items: readonly RequirementItem[];
  readonly metadata: RequirementMetadata;
}

export interface DecomposeQuestion extends Understanding {
  readonly text: string;
  readonly context: JsonObject;
  readonly hasRepository: boolean;
  readonly enableAgentCoordination: boolean;
}

export interface InstructQuestion {
  readonly title: string;
  readonly instruction: string;
  readonly acceptanceCriteria: readonly string[];
  readonly requirement: string;
  readonly context: JsonObject;
}

export interface CheckQuestion {
  readonly title: string;
  readonly acceptanceCriteria: readonly string[];
  /** What the work left behind: files, commands run, summary. Untrusted. */
  readonly result: JsonObject;
}

/** One thing that was promised and what shows that it holds. */
export interface CriterionFinding {
  readonly criterion: string;
  readonly proven: boolean;
  /** What proves it, or why nothing does. */
  readonly evidence: string;
}
export interface CompletionCheck {
  readonly complete: boolean;
  readonly findings: readonly CriterionFinding[];
  readonly unproven: readonly string[];
}

/** The port of understanding (design 7). Operations never throw for what a model or a text says; only for a broken world. @throws Fault */
export interface RequirementInterpreter {
  parseRequirements(question: ParseQuestion): Interpretation<Understanding>;
  decomposeTask(question: DecomposeQuestion): Interpretation<PlanDraft>;
  generateInstructions(question: InstructQuestion): Interpretation<string>;
  validateCompletion(question: CheckQuestion): Interpretation<CompletionCheck>;
}

export type { Fault };
