import { brokerHealth, connectBroker, NatsCommandSender, NatsQueryAsker } from '@taskmaster/messaging';
import { createLogger, createMetrics, sayThatItWaits, type Logger, type Probe } from '@taskmaster/service-kit';
import { BrokerFeed } from './broker-feed.js';
import type { GatewayConfig } from './config.js';
import { createGateway, type Gateway } from './gateway.js';
import { databaseProbe } from './health.js';
import { consumerOf, workerProbe } from './worker-probes.js';

export interface RunningGateway {
  readonly gateway: Gateway;
  readonly port: number;
  readonly logger: Logger;
  readonly closeBroker: () => Promise<void>;
}

/** Connects to the broker and listens. */
export async function startGateway(config: GatewayConfig): Promise<RunningGateway> {
  const logger = createLogger({ service: 'gateway', level: config.LOG_LEVEL });
  if (!config.ENABLE_AUTH) logger.warn({ host: config.GATEWAY_HOST }, 'AUTHENTICATION IS OFF: whoever reaches this port may do everything');
  const broker = await connectBroker({ url: config.NATS_URL, name: 'gateway', onWaiting: sayThatItWaits(logger, 'NATS_URL') });
  const sender = new NatsCommandSender(broker);
  const asker = new NatsQueryAsker(broker);
  const probes: Probe[] = [databaseProbe(asker), { name: 'broker', critical: true, check: () => brokerHealth(broker) }];
  if (config.ENABLE_NLP) probes.push(workerProbe('nlp', consumerOf('nlp-service'), { asker, broker }));
  if (config.ENABLE_AGENT_COORDINATION) probes.push(workerProbe('agentCoordinator', consumerOf('agent-coordinator'), { asker, broker }));
  const gateway = await createGateway({
    sender,
    asker,
    probes,
    feed: new BrokerFeed(broker),
    metrics: createMetrics({ service: 'gateway' }),
    log: logger,
    defaults: {
      timeoutMs: config.DEFAULT_WORKFLOW_TIMEOUT,
      enableNlp: config.ENABLE_NLP,
      enableAgentCoordination: config.ENABLE_AGENT_COORDINATION,
    },
    authentication: config.ENABLE_AUTH,
    requestsPerMinute: config.RATE_LIMIT_PER_MINUTE,
    now: () => performance.now(),
  });
  return { gateway, logger, port: await gateway.listen(config.GATEWAY_HOST, config.GATEWAY_PORT), closeBroker: () => broker.close() };
}
