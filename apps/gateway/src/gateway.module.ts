import 'reflect-metadata';
import { Module, type DynamicModule, type Provider } from '@nestjs/common';
import type { CommandSender, QueryAsker } from '@taskmaster/contracts';
import type { Metrics, Probe } from '@taskmaster/service-kit';
import type { EdgeLog } from './edge-log.js';
import { EventsController } from './events.controller.js';
import { Executions } from './executions.js';
import { Health } from './health.js';
import type { FeedSource } from './live/feed-source.js';
import { LiveHub } from './live/live-hub.js';
import { WaitingRoom } from './live/waiting-room.js';
import { PlatformController } from './platform.controller.js';
import { RequirementsController } from './requirements.controller.js';
import { COMMAND_SENDER, METRICS, QUERY_ASKER, REQUEST_DEFAULTS } from './tokens.js';
import type { RequestDefaults } from './workflow-request.js';
import { WorkflowsController } from './workflows.controller.js';

/** What the gateway stands on: the ports to the rest of the platform, and its settings. */
export interface GatewayParts {
  readonly sender: CommandSender;
  readonly asker: QueryAsker;
  readonly feed: FeedSource;
  readonly probes: readonly Probe[];
  readonly metrics: Metrics;
  readonly log: EdgeLog;
  readonly defaults: RequestDefaults;
  readonly authentication: boolean;
  readonly requestsPerMinute: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/** The whole application. `parts` is not called when only the routes are looked at. */
@Module({})
export class GatewayModule {
  static of(parts: () => GatewayParts): DynamicModule {
    const provide = (token: symbol | (new (...given: never[]) => object), make: (given: GatewayParts) => unknown): Provider => ({
      provide: token,
      useFactory: () => make(parts()),
    });
    return {
      module: GatewayModule,
      controllers: [WorkflowsController, EventsController, RequirementsController, PlatformController],
      providers: [
        provide(COMMAND_SENDER, (given) => given.sender),
        provide(QUERY_ASKER, (given) => given.asker),
        provide(REQUEST_DEFAULTS, (given) => given.defaults),
        provide(METRICS, (given) => given.metrics),
        provide(Health, (given) => new Health(given.probes, given.now)),
        provide(WaitingRoom, (given) => new WaitingRoom(given.feed)),
        provide(LiveHub, (given) => new LiveHub(given.feed, given.asker, given.log)),
        Executions,
      ],
    };
  }
}
