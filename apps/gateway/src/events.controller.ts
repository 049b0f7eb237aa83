import { Controller, Get, Inject, Param, Query, Req, Res } from '@nestjs/common';
import type { QueryAsker } from '@taskmaster/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ListEventsDto, WorkflowIdDto } from './dto/requests.dto.js';
import { identityOf } from './executions.js';
import { isConfidential } from './live/event-view.js';
import { LiveHub } from './live/live-hub.js';
import { Problem, unknownWorkflow } from './problem.js';
import { QUERY_ASKER } from './tokens.js';

const PAGE_ITEMS_DEFAULT = 100;

/** Events: one page of the log, or live. */
@Controller('api')
export class EventsController {
  constructor(
    @Inject(QUERY_ASKER) private readonly asker: QueryAsker,
    @Inject(LiveHub) private readonly hub: LiveHub,
  ) {}

  @Get('workflows/:id/events')
  async ofWorkflow(
    @Param() params: WorkflowIdDto,
    @Query() query: ListEventsDto,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    if (!wantsStream(request)) await this.page(query, request, reply, params.id);
    else {
      const { tenantId } = identityOf(request);
      if ((await this.asker.ask('GetWorkflow', { tenantId, workflowId: params.id })) === null) throw unknownWorkflow(params.id);
      this.stream(resumePoint(request, query, 0), request, reply, params.id);
    }
  }

  /** The whole tenant; a stream without a starting point begins with what happens next. */
  @Get('events')
  async ofTenant(@Query() query: ListEventsDto, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    if (!wantsStream(request)) {
      await this.page(query, request, reply);
      return;
    }
    const { tenantId } = identityOf(request);
    const given = resumePoint(request, query, -1);
    const after = given >= 0 ? given : (await this.asker.ask('ListEvents', { tenantId, after: Number.MAX_SAFE_INTEGER, limit: 1 })).head;
    this.stream(after, request, reply);
  }

  private async page(query: ListEventsDto, request: FastifyRequest, reply: FastifyReply, workflowId?: string): Promise<void> {
    const { tenantId, role } = identityOf(request);
    const limit = query.limit ?? PAGE_ITEMS_DEFAULT;
    const after = query.after ?? 0;
    const { events, head } = await this.asker.ask('ListEvents', {
      tenantId,
      after,
      limit,
      ...(workflowId === undefined ? {} : { workflowId }),
    });
    // A workflow has an event from its first moment on, so a first page without one means there is no such workflow.
    if (workflowId !== undefined && events.length === 0 && (await this.asker.ask('GetWorkflow', { tenantId, workflowId })) === null)
      throw unknownWorkflow(workflowId);
    const last = events.at(-1);
    const items = role === 'admin' ? events : events.filter((event) => !isConfidential(event.stream));
    await reply.send({ items, head, ...(last !== undefined && events.length === limit ? { nextAfter: last.position } : {}) });
  }

  private stream(after: number, request: FastifyRequest, reply: FastifyReply, workflowId?: string): void {
    this.hub.ensureRoom();
    const identity = identityOf(request);
    reply.hijack();
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    this.hub.open({ identity, after, ...(workflowId === undefined ? {} : { workflowId }) }, reply.raw);
  }
}

const wantsStream = (request: FastifyRequest): boolean => String(request.headers.accept ?? '').includes('text/event-stream');

/** `Last-Event-ID` wins over `?after`: it is what a reconnecting browser sends. */
function resumePoint(request: FastifyRequest, query: ListEventsDto, otherwise: number): number {
  const header = request.headers['last-event-id'];
  if (header === undefined || header === '') return query.after ?? otherwise;
  const position = Number(header);
  if (!Number.isSafeInteger(position) || position < 0) {
    throw new Problem('malformed-request', 'Last-Event-ID must be the position of an event.', {
      errors: [{ parameter: 'Last-Event-ID', detail: 'must be the position of an event' }],
    });
  }
  return position;
}
