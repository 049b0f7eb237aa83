import { randomBytes, randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  newWorkflowId,
  workflowStream,
  type CommandSender,
  type QueryAsker,
  type TenantId,
  type WorkflowId,
  type WorkflowRequest,
  type WorkflowView,
} from '@taskmaster/contracts';
import type { FastifyRequest } from 'fastify';
import { sendClientCommand, type Accepted } from './client-commands.js';
import { traceOf } from './edge.js';
import { OPEN_IDENTITY, type Identity } from './identity.js';
import { WaitingRoom, type Place } from './live/waiting-room.js';
import { patienceOf } from './patience.js';
import { Problem } from './problem.js';
import { COMMAND_SENDER, QUERY_ASKER } from './tokens.js';

/** The longest `Prefer: wait`. */
export const WAIT_SECONDS_MAX = 60;
/**
 * The first look without a hint of the feed, then twice as long each time, up to the cap. A hint is lost when the state-service dies between
 * a commit and telling of it: its client waits no longer than for the others of that death.
 */
const POLL_FIRST_MS = 1_000;
const POLL_MS_MAX = 5_000;
const KEY_PATTERN = /^[\x21-\x7e]{1,255}$/;

/** What became of a request to run a workflow: `finished` is set when it ended while somebody waited. */
export interface Execution {
  readonly accepted: Accepted;
  readonly finished: WorkflowView | null;
}

/** The key of a request; a request without one is made unique. @throws Problem */
export function idempotencyKeyOf(request: FastifyRequest): string {
  const given = request.headers['idempotency-key'];
  if (given === undefined) return randomUUID();
  if (typeof given !== 'string' || !KEY_PATTERN.test(given)) {
    throw new Problem('malformed-request', 'Idempotency-Key must be 1 to 255 visible ASCII characters.', {
      errors: [{ parameter: 'Idempotency-Key', detail: 'must be 1 to 255 visible ASCII characters' }],
    });
  }
  return given;
}

/** Seconds of `Prefer: wait=N`, at most WAIT_SECONDS_MAX; 0 when the client does not want to wait. */
export function waitSecondsOf(request: FastifyRequest): number {
  const prefer = request.headers['prefer'];
  if (prefer === undefined) return 0;
  const found = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})"?/i.exec(String(prefer));
  return found === null ? 0 : Math.min(WAIT_SECONDS_MAX, Number(found[1]));
}

/** Whether the client asks for no more than what became of it (`Prefer: return=minimal`, RFC 7240). */
export const wantsMinimal = (request: FastifyRequest): boolean =>
  /(?:^|[,;\s])return\s*=\s*"?minimal"?/i.test(String(request.headers['prefer'] ?? ''));

export const identityOf = (request: FastifyRequest): Identity => request.identity ?? OPEN_IDENTITY;

/** One client's wait for the end of its workflow. */
interface Wait {
  readonly tenantId: TenantId;
  readonly id: WorkflowId;
  readonly place: Place;
  readonly waitMs: number;
  /** Whether it may have ended before anybody stood in the room. */
  readonly lookNow: boolean;
}

/** Starts workflows and, where a client wants it, waits for their end. */
@Injectable()
export class Executions {
  constructor(
    @Inject(COMMAND_SENDER) private readonly sender: CommandSender,
    @Inject(QUERY_ASKER) private readonly asker: QueryAsker,
    @Inject(WaitingRoom) private readonly room: WaitingRoom,
  ) {}

  async start(workflow: WorkflowRequest, request: FastifyRequest, waitSeconds: number): Promise<Execution> {
    const identity = identityOf(request);
    const idempotencyKey = idempotencyKeyOf(request);
    const id = newWorkflowId(Date.now(), randomBytes(16));
    const trace = traceOf(request);
    const send = (): Promise<Accepted> =>
      sendClientCommand(
        this.sender,
        {
          identity,
          idempotencyKey,
          workflowId: id,
          correlationId: id,
          ...(trace === undefined ? {} : { traceparent: trace }),
          command: { type: 'RequestWorkflow', data: { request: workflow } },
        },
        patienceOf(waitSeconds),
      );
    if (waitSeconds === 0) return { accepted: await send(), finished: null };
    const wait = { tenantId: identity.tenantId, waitMs: waitSeconds * 1000 };
    // Standing in the room before the command is sent: its end may be announced before its answer is here.
    const { accepted, finished } = await this.standing(id, async (place) => {
      const answer = await send();
      return { accepted: answer, finished: answer.replayed ? null : await this.awaitEnd({ ...wait, id, place, lookNow: false }) };
    });
    if (!accepted.replayed) return { accepted, finished };
    const first = accepted.workflowId;
    return { accepted, finished: await this.standing(first, (place) => this.awaitEnd({ ...wait, id: first, place, lookNow: true })) };
  }

  private async standing<T>(id: WorkflowId, work: (place: Place) => Promise<T>): Promise<T> {
    const place = this.room.enter(workflowStream(id));
    return work(place).finally(() => {
      place.leave();
    });
  }

  private async awaitEnd(wait: Wait): Promise<WorkflowView | null> {
    const deadline = performance.now() + wait.waitMs;
    let pause = wait.lookNow ? 0 : POLL_FIRST_MS;
    for (;;) {
      const left = Math.max(0, deadline - performance.now());
      const view = await this.look(wait, Math.min(pause, left));
      if (view?.endedAt !== undefined) return view;
      if (this.room.closed || performance.now() >= deadline) return null;
      pause = pause === 0 ? POLL_FIRST_MS : Math.min(POLL_MS_MAX, pause * 2);
    }
  }

  /** What the announcement of the end says, or after `ms` without one, or one that says too little, what state-service says. */
  private async look({ tenantId, id, place }: Wait, ms: number): Promise<WorkflowView | null> {
    const ended = ms > 0 ? await place.nextHint(ms) : undefined;
    if (ended?.view !== undefined && ended.tenantId === tenantId) return ended.view;
    return this.asker.ask('GetWorkflow', { tenantId, workflowId: id });
  }
}
