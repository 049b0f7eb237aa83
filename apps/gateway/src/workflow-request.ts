import type { PlanDraft, RepositoryRef, TaskId, WorkflowOptions, WorkflowRequest, WorkflowSource } from '@taskmaster/contracts';
import type { ExecuteWorkflowDto, RepositoryDto } from './dto/execute-workflow.dto.js';
import { Problem } from './problem.js';

/** What the platform's configuration says where a request says nothing. */
export interface RequestDefaults {
  readonly timeoutMs: number;
  readonly enableNlp: boolean;
  readonly enableAgentCoordination: boolean;
}

const SOURCES = ['requirement', 'taskId', 'name', 'plan'] as const;
const TITLE_FROM_TEXT_MAX = 80;
const ESCALATION_TIMEOUT_MS = 86_400_000;
const FIX_CYCLES = 3;
const CONCURRENT_STEPS = 10;

/**
 * Fills in every default of a request. Pure, so that a repeated request is the same command.
 * @throws Problem when not exactly one source is given
 */
export function workflowRequestOf(dto: ExecuteWorkflowDto, defaults: RequestDefaults): WorkflowRequest {
  const source = sourceOf(dto);
  return {
    profile: dto.profile ?? (source.kind === 'requirement' ? 'cicd' : 'simple'),
    title: dto.title ?? titleOf(source),
    source,
    ...(dto.repository === undefined ? {} : { repository: repositoryOf(dto.repository) }),
    context: dto.context ?? {},
    priority: dto.priority ?? 'medium',
    options: optionsOf(dto, defaults),
  };
}

function sourceOf(dto: ExecuteWorkflowDto): WorkflowSource {
  const given = SOURCES.filter((name) => dto[name] !== undefined);
  if (given.length !== 1) {
    const detail =
      given.length === 0
        ? 'Give one of requirement, taskId, name and plan.'
        : `Give exactly one of requirement, taskId, name and plan, not ${given.join(' and ')}.`;
    throw new Problem('invalid-request', detail, {
      errors: given.length === 0 ? [{ pointer: '', detail }] : given.map((name) => ({ pointer: `/${name}`, detail })),
    });
  }
  if (dto.plan !== undefined) return { kind: 'plan', plan: dto.plan as unknown as PlanDraft };
  if (dto.taskId !== undefined) return { kind: 'task', taskId: dto.taskId as TaskId };
  if (dto.name !== undefined) return { kind: 'definition', name: dto.name };
  return { kind: 'requirement', text: dto.requirement ?? '' };
}

function titleOf(source: WorkflowSource): string {
  switch (source.kind) {
    case 'requirement':
      return shorten(source.text);
    case 'plan':
      return `Plan of ${String(source.plan.steps.length)} step${source.plan.steps.length === 1 ? '' : 's'}`;
    case 'task':
      return `Task ${source.taskId}`;
    case 'definition':
      return source.name;
  }
}

function shorten(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  if (line.length <= TITLE_FROM_TEXT_MAX) return line;
  const cut = line.slice(0, TITLE_FROM_TEXT_MAX - 1);
  const space = cut.lastIndexOf(' ');
  return `${space > TITLE_FROM_TEXT_MAX / 2 ? cut.slice(0, space) : cut}…`;
}

const repositoryOf = (dto: RepositoryDto): RepositoryRef => ({ url: dto.url, branch: dto.branch ?? 'main', forge: dto.forge ?? 'local' });

function optionsOf(dto: ExecuteWorkflowDto, defaults: RequestDefaults): WorkflowOptions {
  const given = dto.options ?? {};
  return {
    ...limitsOf(given, defaults),
    drive: given.drive ?? 'auto',
    strict: given.strict ?? false,
    enableNlp: given.enableNlp ?? defaults.enableNlp,
    enableAgentCoordination: given.enableAgentCoordination ?? defaults.enableAgentCoordination,
    delegation: dto.delegation ?? 'auto',
    validation: given.validation ?? [],
  };
}

type Limits = Pick<WorkflowOptions, 'timeoutMs' | 'maxFixCycles' | 'maxConcurrentSteps' | 'escalationTimeoutMs'>;

const limitsOf = (given: Partial<Limits>, defaults: RequestDefaults): Limits => ({
  timeoutMs: given.timeoutMs ?? defaults.timeoutMs,
  maxFixCycles: given.maxFixCycles ?? FIX_CYCLES,
  maxConcurrentSteps: given.maxConcurrentSteps ?? CONCURRENT_STEPS,
  escalationTimeoutMs: given.escalationTimeoutMs ?? ESCALATION_TIMEOUT_MS,
});
