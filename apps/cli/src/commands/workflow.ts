import type { Client, ExecuteRequest } from '@taskmaster/client';
import { WORKFLOW_STATUSES, type Priority, type WorkflowStatus, type WorkflowSummary } from '@taskmaster/contracts';
import type { Surroundings } from '../config.js';
import { CommandFault, EXIT, type ExitCode } from '../exit.js';
import { followRun } from '../run/follow.js';
import { narrate } from '../run/narrate.js';
import { renderRun } from '../run/render.js';
import { emptyRun, watch } from '../run/run.js';
import { fit, harmless, pad, painter } from '../terminal.js';

const EVENTS_PAGE = 200;
const print = ({ terminal }: Surroundings, value: unknown): void => {
  terminal.out(`${JSON.stringify(value, undefined, 2)}\n`);
};

export interface ListOptions {
  readonly status?: string;
  readonly limit: number;
  readonly cursor?: string;
  readonly json?: boolean;
}

export async function listWorkflows(client: Client, options: ListOptions, around: Surroundings): Promise<ExitCode> {
  const status = WORKFLOW_STATUSES.find((known) => known === options.status);
  if (options.status !== undefined && status === undefined)
    throw new CommandFault(`${options.status} is not a status; one of ${WORKFLOW_STATUSES.join(', ')} is.`, EXIT.usage);
  const page = await client.listWorkflows({
    limit: options.limit,
    ...(status === undefined ? {} : { status }),
    ...(options.cursor === undefined ? {} : { cursor: options.cursor }),
  });
  if (options.json === true) print(around, page);
  else around.terminal.out(`${tableOf(page.items, around).join('\n')}\n`);
  if (page.nextCursor !== undefined && options.json !== true) around.terminal.talk(`more: --cursor ${page.nextCursor}\n`);
  return EXIT.ok;
}

const STATUS_INK: Readonly<Record<WorkflowStatus, 'green' | 'red' | 'yellow' | 'cyan' | 'dim'>> = {
  completed: 'green',
  failed: 'red',
  cancelled: 'yellow',
  running: 'cyan',
  pending: 'dim',
  waiting: 'yellow',
  blocked: 'yellow',
  paused: 'yellow',
};

/** Workflows as aligned lines; the title takes what is left of the line. */
export function tableOf(items: readonly WorkflowSummary[], { terminal }: Surroundings): readonly string[] {
  if (items.length === 0) return ['no workflows'];
  const paint = painter(terminal.colour);
  const width = Math.max(10, terminal.columns() - 36 - 11 - 20 - 6);
  return items.map(
    (item) =>
      `${pad(item.id, 36)} ${paint(STATUS_INK[item.status], pad(item.status, 10))} ${pad(item.state, 19)} ${`${String(item.progress)}%`.padStart(4)} ${fit(harmless(item.title), width)}`,
  );
}

export async function showWorkflow(
  client: Client,
  id: string,
  options: { readonly json?: boolean },
  around: Surroundings,
): Promise<ExitCode> {
  const view = await client.getWorkflow(id);
  if (options.json === true) print(around, view);
  else {
    let run = emptyRun(id);
    for await (const event of recorded(client, id)) run = watch(run, event);
    around.terminal.out(
      `${renderRun(run, { columns: around.terminal.columns(), colour: around.terminal.colour, now: Date.now() }).join('\n')}\n`,
    );
  }
  return EXIT.ok;
}

/** What is recorded of a workflow, page by page. */
async function* recorded(client: Client, workflowId: string): AsyncGenerator<Parameters<typeof watch>[1]> {
  for (let after = 0; ;) {
    const page = await client.listEvents({ workflowId, after, limit: EVENTS_PAGE });
    for (const event of page.items) {
      yield {
        position: event.position,
        stream: event.stream,
        version: event.version,
        type: event.type,
        at: event.occurredAt,
        data: event.data as never,
      };
    }
    if (page.nextAfter === undefined) return;
    after = page.nextAfter;
  }
}

export async function showEvents(
  client: Client,
  id: string,
  options: { readonly json?: boolean; readonly follow?: boolean; readonly signal: AbortSignal },
  around: Surroundings,
): Promise<ExitCode> {
  const events = options.follow === true ? client.events({ workflowId: id, after: 0, signal: options.signal }) : recorded(client, id);
  let run = emptyRun(id);
  for await (const event of events) {
    run = watch(run, event);
    const words =
      narrate(run, event)
        ?.split('\n')[0]
        ?.replace(/^[a-z ]+: /, '') ?? '';
    around.terminal.out(
      options.json === true
        ? `${JSON.stringify(event)}\n`
        : `${String(event.position).padStart(6)}  ${event.at}  ${pad(event.type, 24)} ${words}\n`,
    );
  }
  return options.signal.aborted ? EXIT.interrupted : EXIT.ok;
}

/** Answers the open escalation of a workflow. */
export async function resolveEscalation(
  client: Client,
  { id, decision }: { readonly id: string; readonly decision: 'retry' | 'fail' },
  options: { readonly note?: string; readonly json?: boolean },
  around: Surroundings,
): Promise<ExitCode> {
  await client.resolve(id, decision, options.note === undefined ? {} : { note: options.note });
  if (options.json === true) print(around, { workflowId: id, accepted: decision });
  else around.terminal.talk(`${decision}: accepted\n`);
  return EXIT.ok;
}

export async function steerWorkflow(
  client: Client,
  { verb, id }: { readonly verb: 'cancel' | 'pause' | 'resume'; readonly id: string },
  options: { readonly reason?: string; readonly json?: boolean },
  around: Surroundings,
): Promise<ExitCode> {
  await client[verb](id, options.reason === undefined ? {} : { reason: options.reason });
  if (options.json === true) print(around, { workflowId: id, accepted: verb });
  else around.terminal.talk(`${verb}: accepted\n`);
  return EXIT.ok;
}

/** Follows a workflow; its outcome is the exit code. A reader that stops has changed nothing. */
export async function followWorkflow(
  client: Client,
  id: string,
  options: { readonly json?: boolean; readonly signal: AbortSignal },
  around: Surroundings,
): Promise<ExitCode> {
  const run = await followRun({ client, terminal: around.terminal, signal: options.signal }, id);
  if (options.signal.aborted && run.ended === undefined) {
    around.terminal.talk(`detached; the workflow goes on: task-master orchestration monitor ${id}\n`);
    return EXIT.interrupted;
  }
  if (run.ended === undefined && run.escalation !== undefined)
    around.terminal.talk(`it waits for a person, and ends as failed if nobody comes: task-master workflow resolve ${id} retry|fail\n`);
  if (options.json === true) print(around, await client.getWorkflow(id));
  return run.ended?.outcome === 'completed' ? EXIT.ok : EXIT.failed;
}

export interface ProcessOptions {
  readonly requirement?: string;
  readonly repo?: string;
  readonly branch?: string;
  readonly profile?: string;
  readonly priority?: string;
  readonly timeout?: number;
  readonly verbose?: boolean;
  readonly detach?: boolean;
  readonly json?: boolean;
  readonly signal: AbortSignal;
}

/** S1's `process`: by task id or by requirement. */
export async function processTask(
  client: Client,
  taskId: string | undefined,
  options: ProcessOptions,
  around: Surroundings,
): Promise<ExitCode> {
  if ((taskId === undefined) === (options.requirement === undefined))
    throw new CommandFault('Give a task id or --requirement "…".', EXIT.usage);
  if (options.requirement === undefined) around.terminal.talk('Tasks by id come in a later version; --requirement "…" works today.\n');
  const { workflowId } = await client.execute(requestOf(taskId, options));
  around.terminal.talk(`workflow ${workflowId}\n`);
  if (options.detach === true) {
    around.terminal.out(`${options.json === true ? JSON.stringify({ workflowId }, undefined, 2) : workflowId}\n`);
    return EXIT.ok;
  }
  if (options.verbose !== true) return followWorkflow(client, workflowId, options, around);
  const shown = await showEvents(client, workflowId, { follow: true, signal: options.signal }, around);
  if (shown !== EXIT.ok) return shown;
  return (await client.getWorkflow(workflowId)).outcome === 'completed' ? EXIT.ok : EXIT.failed;
}

function requestOf(taskId: string | undefined, options: ProcessOptions): ExecuteRequest {
  const source = options.requirement === undefined ? { taskId: taskId ?? '' } : { requirement: options.requirement };
  const branch = options.branch === undefined ? {} : { branch: options.branch };
  return {
    ...source,
    ...(options.profile === undefined ? {} : { profile: options.profile as 'cicd' }),
    ...(options.priority === undefined ? {} : { priority: options.priority as Priority }),
    ...(options.repo === undefined ? {} : { repository: { url: options.repo, ...branch } }),
    ...(options.timeout === undefined ? {} : { options: { timeoutMs: options.timeout } }),
  };
}
