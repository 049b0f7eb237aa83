import { Body, Controller, Delete, Get, HttpCode, HttpStatus, Inject, Param, Post, Put, Query, Req, Res } from '@nestjs/common';
import { parseWorkflowId, type CommandSender, type QueryAsker, type WorkflowId, type WorkflowView } from '@taskmaster/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendClientCommand, type Accepted, type ClientCommand } from './client-commands.js';
import { ExecuteWorkflowDto } from './dto/execute-workflow.dto.js';
import { ListWorkflowsDto, ReasonDto, ResolveEscalationDto, WorkflowIdDto } from './dto/requests.dto.js';
import { traceOf } from './edge.js';
import { Executions, idempotencyKeyOf, identityOf, waitSecondsOf, wantsMinimal } from './executions.js';
import { unknownWorkflow } from './problem.js';
import { COMMAND_SENDER, QUERY_ASKER, REQUEST_DEFAULTS } from './tokens.js';
import { workflowRequestOf, type RequestDefaults } from './workflow-request.js';

const PAGE_ITEMS_DEFAULT = 50;
const pathOf = (id: string): string => `/api/workflows/${encodeURIComponent(id)}`;

/** Where to go from a workflow. */
export interface WorkflowLinks {
  readonly self: string;
  readonly events: string;
  readonly history: string;
  readonly pause: string;
  readonly resume: string;
}

export const linksOf = (id: string): WorkflowLinks => {
  const self = pathOf(id);
  return { self, events: `${self}/events`, history: `${self}/history`, pause: `${self}/pause`, resume: `${self}/resume` };
};

/** Workflows: start, look, steer. */
@Controller('api/workflows')
export class WorkflowsController {
  constructor(
    @Inject(COMMAND_SENDER) private readonly sender: CommandSender,
    @Inject(QUERY_ASKER) private readonly asker: QueryAsker,
    @Inject(Executions) private readonly executions: Executions,
    @Inject(REQUEST_DEFAULTS) private readonly defaults: RequestDefaults,
  ) {}

  @Post('execute')
  @HttpCode(HttpStatus.ACCEPTED)
  async execute(
    @Body() body: ExecuteWorkflowDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const waitSeconds = waitSecondsOf(request);
    const { accepted, finished } = await this.executions.start(workflowRequestOf(body, this.defaults), request, waitSeconds);
    const id = accepted.workflowId;
    const links = linksOf(id);
    void reply.header('location', links.self);
    const minimal = finished !== null && wantsMinimal(request);
    if (waitSeconds > 0) void reply.header('preference-applied', `wait=${String(waitSeconds)}${minimal ? ', return=minimal' : ''}`);
    if (accepted.replayed) void reply.header('idempotency-replayed', 'true');
    const { version, position } = accepted;
    if (finished === null) return { id, workflowId: id, status: 'accepted', version, position, links };
    void reply.code(HttpStatus.OK).header('etag', etagOf(finished));
    const told = minimal ? { id, status: finished.status, outcome: finished.outcome, reason: finished.reason } : finished;
    return { ...told, workflowId: id, accepted: { version, position }, links };
  }

  @Get()
  async list(
    @Query() query: ListWorkflowsDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const limit = query.limit ?? PAGE_ITEMS_DEFAULT;
    const page = await this.asker.ask('ListWorkflows', {
      tenantId: identityOf(request).tenantId,
      limit,
      ...(query.status === undefined ? {} : { status: query.status }),
      ...(query.cursor === undefined ? {} : { cursor: query.cursor }),
    });
    if (page.nextCursor !== undefined) {
      const next = new URLSearchParams({
        limit: String(limit),
        cursor: page.nextCursor,
        ...(query.status === undefined ? {} : { status: query.status }),
      });
      void reply.header('link', `</api/workflows?${next.toString()}>; rel="next"`);
    }
    return page;
  }

  @Get(':id')
  async get(
    @Param() params: WorkflowIdDto,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object | undefined> {
    const view = await this.find(params.id, request);
    const etag = etagOf(view);
    void reply.header('etag', etag);
    if (matches(request.headers['if-none-match'], etag)) {
      void reply.code(HttpStatus.NOT_MODIFIED);
      return undefined;
    }
    return { ...view, links: linksOf(view.id) };
  }

  @Get(':id/history')
  async history(@Param() params: WorkflowIdDto, @Req() request: FastifyRequest): Promise<object> {
    const history = await this.asker.ask('GetWorkflowHistory', { tenantId: identityOf(request).tenantId, workflowId: params.id });
    if (history === null) throw unknownWorkflow(params.id);
    return history;
  }

  @Delete(':id')
  @HttpCode(HttpStatus.ACCEPTED)
  cancel(@Param() params: WorkflowIdDto, @Body() body: ReasonDto, @Req() request: FastifyRequest): Promise<object> {
    return this.steer(params.id, request, { type: 'CancelWorkflow', data: { reason: body.reason ?? 'cancelled over HTTP' } });
  }

  @Put(':id/pause')
  pause(@Param() params: WorkflowIdDto, @Body() body: ReasonDto, @Req() request: FastifyRequest): Promise<object> {
    return this.steer(params.id, request, { type: 'PauseWorkflow', data: { reason: body.reason ?? 'paused over HTTP' } });
  }

  @Put(':id/resume')
  resume(@Param() params: WorkflowIdDto, @Body() body: ReasonDto, @Req() request: FastifyRequest): Promise<object> {
    return this.steer(params.id, request, { type: 'ResumeWorkflow', data: { reason: body.reason ?? 'resumed over HTTP' } });
  }

  @Put(':id/escalation')
  async resolve(@Param() params: WorkflowIdDto, @Body() body: ResolveEscalationDto, @Req() request: FastifyRequest): Promise<object> {
    const { escalation } = await this.find(params.id, request);
    const escalationId = body.escalationId ?? escalation?.escalationId ?? '';
    const note = body.note ?? 'resolved over HTTP';
    return this.steer(params.id, request, { type: 'ResolveEscalation', data: { escalationId, decision: body.decision, note } });
  }

  private async steer(id: string, request: FastifyRequest, command: ClientCommand): Promise<object> {
    const trace = traceOf(request);
    const accepted: Accepted = await sendClientCommand(this.sender, {
      identity: identityOf(request),
      idempotencyKey: idempotencyKeyOf(request),
      workflowId: workflowIdFrom(id),
      command,
      correlationId: id,
      ...(trace === undefined ? {} : { traceparent: trace }),
    });
    return { id, workflowId: id, status: 'accepted', version: accepted.version, position: accepted.position, links: linksOf(id) };
  }

  private async find(id: string, request: FastifyRequest): Promise<WorkflowView> {
    const view = await this.asker.ask('GetWorkflow', { tenantId: identityOf(request).tenantId, workflowId: id });
    if (view === null) throw unknownWorkflow(id);
    return view;
  }
}

function workflowIdFrom(text: string): WorkflowId {
  const id = parseWorkflowId(text);
  if (!id.ok) throw unknownWorkflow(text);
  return id.value;
}

const etagOf = (view: WorkflowView): string => `"${String(view.version)}"`;
const matches = (header: string | string[] | undefined, etag: string): boolean =>
  header !== undefined &&
  String(header)
    .split(',')
    .some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag);
