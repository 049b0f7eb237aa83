import { isJsonObject, type Json, type JsonObject } from '@taskmaster/contracts';
import { clipBytes } from './text.js';

/** Bytes of a generated prompt. */
export const INSTRUCTIONS_BYTES_MAX = 14 * 1024;

/** The work of one step, as an agent needs to hear it. */
export interface InstructedStep {
  readonly title: string;
  readonly instruction: string;
  readonly acceptanceCriteria?: readonly string[];
}

/** What surrounds a step: the requirement it serves and what the repository expects. */
export interface InstructionContext {
  readonly requirement?: string;
  /** Conventions under `conventions`, `technologies`, `notes`; other keys are left out. */
  readonly context?: JsonObject;
}

const NOT_TO_DO = [
  'Do not change anything that this step does not need; leave unrelated code and formatting as they are.',
  'Do not weaken, skip or delete existing tests to make them pass.',
  'Do not commit secrets, credentials, generated files or dependencies.',
  'Do not add a dependency where the language or the existing ones suffice.',
  'Do not report anything as done that you have not run; say what you could not verify.',
];

const listOf = (lines: readonly string[]): string => lines.map((line) => `- ${line.replace(/\s+/g, ' ').trim()}`).join('\n');

const sayings = (value: Json | undefined): readonly string[] => {
  if (typeof value === 'string')
    return value
      .split('\n')
      .filter((line) => line.trim() !== '')
      .slice(0, 40);
  return Array.isArray(value) ? value.filter((entry): entry is string => typeof entry === 'string').slice(0, 40) : [];
};

function conventionsOf(context: JsonObject | undefined): readonly string[] {
  const given = isJsonObject(context) ? context : {};
  const technologies = sayings(given['technologies']);
  return [
    'Read the repository first (README, contribution guide, existing code and tests) and follow its conventions.',
    ...(technologies.length > 0 ? [`Technologies: ${technologies.join(', ')}.`] : []),
    ...sayings(given['conventions']),
    ...sayings(given['notes']),
  ];
}

/** The prompt for an agent that does one step: task, requirement, conventions, acceptance criteria, and what not to do. */
export function generateInstructions(step: InstructedStep, context: InstructionContext = {}): string {
  const requirement = (context.requirement ?? '').trim();
  const sections = [
    `# ${step.title.replace(/\s+/g, ' ').trim()}`,
    step.instruction.trim(),
    // An instruction that already quotes the requirement does not need it twice.
    requirement === '' || step.instruction.includes(requirement)
      ? ''
      : `## The requirement this step belongs to\n\n${clipBytes(requirement, 6 * 1024)}`,
    `## Conventions\n\n${listOf(conventionsOf(context.context))}`,
    `## Done when\n\n${listOf([...(step.acceptanceCriteria ?? []), 'The project builds and its whole test suite passes.', 'The change is complete in the working tree; nothing is left for later.'])}`,
    `## What not to do\n\n${listOf(NOT_TO_DO)}`,
  ];
  return clipBytes(sections.filter((section) => section !== '').join('\n\n'), INSTRUCTIONS_BYTES_MAX);
}
