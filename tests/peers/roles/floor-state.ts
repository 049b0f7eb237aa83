// The floor's state: decides in memory, appends in batches, one commit each. It keeps no more than a next decision needs and never recovers.
import { connectBroker } from '@taskmaster/messaging';
import type { Msg } from 'nats';
import pg from 'pg';
import {
  BATCH_MAX,
  chunksOf,
  COMMANDS,
  doneOf,
  NOTICES,
  NOTICES_MAX,
  type FloorCommand,
  type FloorInput,
  type FloorNotice,
} from './floor-messages.js';
import { announce, roleInput } from './role.js';
import type { Shape } from '../../performance/plan-shapes.js';

interface FloorWorkflow {
  readonly gateway: string;
  /** The steps that each step waits for. */
  readonly needs: readonly (readonly number[])[];
  readonly done: boolean[];
  readonly ready: boolean[];
  version: number;
  left: number;
}

interface Request {
  readonly message: Msg;
  left: number;
}

interface Decided {
  readonly workflow: FloorWorkflow;
  readonly events: readonly { readonly type: string; readonly data: string; readonly version: number }[];
  readonly notices: readonly FloorNotice[];
}

const FILLER = 'x'.repeat(120);
const APPEND = { name: 'append', text: 'select floor_append($1, $2, $3, $4, $5, $6, $7)' };

const needsOf = (shape: Shape, steps: number): readonly (readonly number[])[] =>
  Array.from({ length: steps }, (_, i) => {
    if (i === 0) return [];
    if (shape === 'chain' || steps < 3) return [i - 1];
    return i < steps - 1 ? [0] : Array.from({ length: steps - 2 }, (_none, j) => j + 1);
  });

const { natsUrl, databaseUrl } = roleInput<FloorInput>();
const broker = await connectBroker({ url: natsUrl, name: 'floor-state' });
const stream = broker.jetstream();
const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 });
const workflows = new Map<string, FloorWorkflow>();
const queue: { readonly command: FloorCommand; readonly request: Request }[] = [];
let isBusy = false;

function workflowOf(command: FloorCommand): FloorWorkflow {
  const known = workflows.get(command.workflow);
  if (known !== undefined) return known;
  if (command.kind !== 'start') throw new Error('a step of a workflow that was never started');
  const { steps, shape, gateway } = command;
  const no = Array.from({ length: steps }, () => false);
  const workflow = { gateway, needs: needsOf(shape, steps), done: [...no], ready: [...no], version: 0, left: steps };
  workflows.set(command.workflow, workflow);
  return workflow;
}

function decide(command: FloorCommand): Decided {
  const workflow = workflowOf(command);
  const facts: (readonly [type: string, data: unknown])[] = [];
  if (command.kind === 'start') facts.push(['WorkflowStarted', { steps: command.steps, shape: command.shape, filler: FILLER }]);
  else {
    facts.push(['StepStarted', { step: command.step, filler: FILLER }], ['StepCompleted', { step: command.step, output: FILLER }]);
    workflow.done[command.step] = true;
    workflow.left -= 1;
  }
  const notices: FloorNotice[] = [];
  workflow.needs.forEach((needs, step) => {
    if (workflow.ready[step] === true || !needs.every((need) => workflow.done[need])) return;
    workflow.ready[step] = true;
    notices.push({ workflow: command.workflow, step });
    facts.push(['StepReady', { step, filler: FILLER }]);
  });
  if (workflow.left === 0) facts.push(['WorkflowCompleted', { filler: FILLER }]);
  const events = facts.map(([type, data]) => ({ type, data: JSON.stringify(data), version: (workflow.version += 1) }));
  return { workflow, events, notices };
}

async function append(batch: readonly { readonly command: FloorCommand }[], decided: readonly Decided[]): Promise<void> {
  const heads = new Map(batch.map(({ command }, i) => [command.workflow, decided[i]?.workflow]));
  const rows = batch.flatMap(({ command }, i) => (decided[i]?.events ?? []).map((event) => ({ ...event, stream: command.workflow })));
  const values = [
    [...heads.keys()],
    [...heads.values()].map((w) => w?.version),
    [...heads.values()].map((w) => (w?.left === 0 ? 'completed' : 'running')),
    rows.map((row) => row.stream),
    rows.map((row) => row.version),
    rows.map((row) => row.type),
    rows.map((row) => row.data),
  ];
  await pool.query({ ...APPEND, values });
}

function publish(decided: readonly Decided[], finished: readonly (readonly [workflow: string, gateway: string])[]): void {
  for (const notices of chunksOf(
    decided.flatMap((d) => d.notices),
    NOTICES_MAX,
  ))
    stream.publish(NOTICES, JSON.stringify(notices)).catch(() => process.exit(1));
  for (const gateway of new Set(finished.map(([, name]) => name))) {
    const ids = finished.filter(([, name]) => name === gateway).map(([id]) => id);
    for (const chunk of chunksOf(ids, BATCH_MAX)) broker.publish(doneOf(gateway), chunk.join(','));
  }
}

async function drain(): Promise<void> {
  isBusy = true;
  while (queue.length > 0) {
    const batch = queue.splice(0, BATCH_MAX);
    const decided = batch.map(({ command }) => decide(command));
    await append(batch, decided);
    const finished: (readonly [string, string])[] = [];
    batch.forEach(({ command, request }, i) => {
      request.left -= 1;
      if (request.left === 0) request.message.respond('{"ok":true}');
      const workflow = decided[i]?.workflow;
      if (workflow?.left !== 0 || !workflows.delete(command.workflow)) return;
      finished.push([command.workflow, workflow.gateway]);
    });
    publish(decided, finished);
  }
  isBusy = false;
}

broker.subscribe(COMMANDS, {
  callback: (_error, message) => {
    const commands = message.json<readonly FloorCommand[]>();
    const request = { message, left: commands.length };
    for (const command of commands) queue.push({ command, request });
    if (!isBusy)
      setImmediate(() => {
        if (!isBusy) void drain();
      });
  },
});
await broker.flush();
announce();
