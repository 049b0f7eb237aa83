import { Body, Controller, Get, HttpCode, HttpStatus, Inject, Post, Req, Res } from '@nestjs/common';
import { WORKFLOW_STATUSES, type QueryAsker } from '@taskmaster/contracts';
import type { Metrics } from '@taskmaster/service-kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ReasonDto } from './dto/requests.dto.js';
import { identityOf } from './executions.js';
import { Health } from './health.js';
import { LiveHub } from './live/live-hub.js';
import { METRICS, QUERY_ASKER } from './tokens.js';

const VERIFY_DEADLINE_MS = 300_000;

/** Agents, health, metrics, audit. */
@Controller()
export class PlatformController {
  private readonly workflows;
  private readonly openSteps;
  private readonly head;
  private readonly relayLag;
  private readonly streams;

  constructor(
    @Inject(QUERY_ASKER) private readonly asker: QueryAsker,
    @Inject(METRICS) private readonly metrics: Metrics,
    @Inject(Health) private readonly health: Health,
    @Inject(LiveHub) private readonly hub: LiveHub,
  ) {
    this.workflows = metrics.gauge({ name: 'taskmaster_workflows', help: 'Workflows by status.', labels: ['status'] });
    this.openSteps = metrics.gauge({ name: 'taskmaster_open_steps', help: 'Steps that wait for an answer.' });
    this.head = metrics.gauge({ name: 'taskmaster_log_head', help: 'Position of the last event.' });
    this.relayLag = metrics.gauge({ name: 'taskmaster_relay_lag_events', help: 'Events that the relay has not covered yet.' });
    this.streams = metrics.gauge({ name: 'taskmaster_live_connections', help: 'Open server-sent event connections of this process.' });
  }

  @Get('api/agents')
  agents(@Req() request: FastifyRequest): Promise<object> {
    return this.asker.ask('ListAgents', { tenantId: identityOf(request).tenantId });
  }

  @Get('api/health')
  async healthOfAll(@Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
    const report = await this.health.report();
    if (report.status === 'down') void reply.code(HttpStatus.SERVICE_UNAVAILABLE);
    return report;
  }

  /** Never looks at dependencies: restarting this process would not mend them. */
  @Get('livez')
  live(): object {
    return { status: 'up' };
  }

  @Get('readyz')
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<object> {
    return this.healthOfAll(reply);
  }

  @Get('startupz')
  started(): object {
    return { status: 'up' };
  }

  @Get('api/metrics')
  async scrape(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const counts = await this.asker.ask('GetCounts', { tenantId: identityOf(request).tenantId });
    for (const status of WORKFLOW_STATUSES) this.workflows.set(counts.workflows[status], { status });
    this.openSteps.set(counts.openSteps);
    this.head.set(counts.head);
    this.relayLag.set(counts.relayLag);
    this.streams.set(this.hub.size);
    const { contentType, body } = await this.metrics.render();
    await reply.header('content-type', contentType).send(body);
  }

  @Post('api/audit/verify')
  @HttpCode(HttpStatus.OK)
  verify(@Body() _body: ReasonDto, @Req() request: FastifyRequest): Promise<object> {
    return this.asker.ask('VerifyLog', { tenantId: identityOf(request).tenantId }, { deadlineMs: VERIFY_DEADLINE_MS });
  }
}
