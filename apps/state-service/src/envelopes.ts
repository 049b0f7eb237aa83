import {
  categoryOf,
  COMMANDS_PER_REQUEST_MAX,
  isJsonObject,
  parseCommandId,
  parseStreamId,
  parseTenantId,
  type CommandAnswer,
  type CommandEnvelope,
  type CommandType,
  type StreamCategory,
} from '@taskmaster/contracts';

/** Which aggregate decides a command; a new command without a line does not compile. */
const CATEGORY_OF_COMMAND: Readonly<Record<CommandType, StreamCategory>> = {
  RequestWorkflow: 'workflow',
  PauseWorkflow: 'workflow',
  ResumeWorkflow: 'workflow',
  CancelWorkflow: 'workflow',
  TransitionWorkflow: 'workflow',
  ResolveEscalation: 'workflow',
  AdmitWorkflow: 'workflow',
  StartStep: 'workflow',
  ReportProgress: 'workflow',
  CompleteStep: 'workflow',
  FailStep: 'workflow',
  RetryStep: 'workflow',
  ExpireStep: 'workflow',
  ExpireWorkflow: 'workflow',
  RegisterAgent: 'agent',
  ReportAgentAvailability: 'agent',
  IssueApiKey: 'access',
  RevokeApiKey: 'access',
};

const malformed = (detail: string): CommandAnswer => ({ outcome: 'rejected', code: 'malformed-command', detail });

const ACTOR_KINDS: readonly unknown[] = ['user', 'service', 'system'];

/** Parses one envelope as it came in; a refusal says what is wrong with it. */
export function parseEnvelope(value: unknown): { readonly envelope: CommandEnvelope } | { readonly refusal: CommandAnswer } {
  const fault = faultOf(value);
  return fault === undefined ? { envelope: value as CommandEnvelope } : { refusal: malformed(fault) };
}

function faultOf(value: unknown): string | undefined {
  if (!isJsonObject(value)) return 'a command envelope is an object';
  for (const parsed of [parseCommandId(value.id), parseStreamId(value.stream), parseTenantId(value.tenantId)])
    if (!parsed.ok) return parsed.error;
  if (typeof value.correlationId !== 'string') return 'correlationId is a text';
  if (!isActor(value.actor)) return 'actor is a kind and an id';
  return commandFault(value.command, value.stream as CommandEnvelope['stream']);
}

const isActor = (actor: unknown): boolean => isJsonObject(actor) && ACTOR_KINDS.includes(actor.kind) && typeof actor.id === 'string';

function commandFault(command: unknown, stream: CommandEnvelope['stream']): string | undefined {
  if (!isJsonObject(command) || typeof command.type !== 'string' || !isJsonObject(command.data)) return 'command is a type and its data';
  return Object.hasOwn(CATEGORY_OF_COMMAND, command.type)
    ? categoryFault(command.type as CommandType, stream)
    : `there is no command ${command.type}`;
}

const categoryFault = (type: CommandType, stream: CommandEnvelope['stream']): string | undefined =>
  categoryOf(stream) === CATEGORY_OF_COMMAND[type] ? undefined : `${type} is not for the stream ${stream}`;

/** The groups whose work the sender of a request does. */
export function worksOf(request: unknown): readonly unknown[] {
  const works = isJsonObject(request) ? request.works : undefined;
  return Array.isArray(works) ? works : [];
}

/** The commands of a request. @throws SyntaxError, which the transport names malformed, when there are none or too many */
export function commandsOf(request: unknown): readonly unknown[] {
  const commands = isJsonObject(request) ? request.commands : undefined;
  if (!Array.isArray(commands) || commands.length > COMMANDS_PER_REQUEST_MAX)
    throw new SyntaxError(`a request holds at most ${String(COMMANDS_PER_REQUEST_MAX)} commands`);
  return commands as readonly unknown[];
}
