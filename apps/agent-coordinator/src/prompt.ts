import type { StepContext } from '@taskmaster/contracts';

/** Characters of a prompt beside a requirement that is the instruction itself; what goes beyond is cut, the instruction last. */
export const PROMPT_CHARS_MAX = 24_000;
const PART_CHARS_MAX = 6000;

const cut = (text: string): string => (text.length > PART_CHARS_MAX ? `${text.slice(0, PART_CHARS_MAX)}\n[cut]` : text);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const listOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];

function section(title: string, body: string): readonly string[] {
  return body.trim() === '' ? [] : [`## ${title}`, cut(body.trim()), ''];
}

/** What an agent is asked to do for a step: the instruction first, then what it may need to know. */
export function promptOf(context: StepContext): string {
  const { step } = context;
  const criteria = listOf(step.input['acceptanceCriteria'])
    .map((line) => `- ${line}`)
    .join('\n');
  const before = context.dependencies.map(({ title, output }) => `- ${title}: ${textOf(output['summary']).slice(0, 500)}`).join('\n');
  const review = step.kind === 'agent.review';
  const whole = wholeRequirement(context);
  const opening = [`# ${step.title}`, '', whole ?? cut(textOf(step.input['instruction']) || step.title), ''].join('\n');
  const rest = [
    ...section('Acceptance criteria', criteria),
    ...section('Done before, already in the workspace', before),
    ...section('The whole requirement, for context', whole === undefined ? (context.requirement ?? '') : ''),
    ...section('What went wrong in the attempt before', failureOf(context)),
    review
      ? 'Change no file. End with a line of its own that holds TASKMASTER-VERDICT, a colon and either approve or reject.'
      : 'Edit the files in the workspace. Do not commit, push or switch branches; that is done for you.',
  ].join('\n');
  const charsMax = PROMPT_CHARS_MAX + (whole?.length ?? 0);
  return `${opening}\n${rest}`.slice(0, charsMax);
}

/** A step that is the requirement itself is given all of it. */
const wholeRequirement = ({ step, requirement }: StepContext): string | undefined =>
  step.input['instructionFrom'] === 'requirement' ? requirement : undefined;

function failureOf({ previousError }: StepContext): string {
  if (!previousError) return '';
  const detail = previousError.detail === undefined ? '' : `\n${JSON.stringify(previousError.detail).slice(0, 3000)}`;
  return `${previousError.message}${detail}`;
}
