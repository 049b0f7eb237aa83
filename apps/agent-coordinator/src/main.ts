import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { connectBroker, NatsCommandSender, NatsQueryAsker, NatsStrategy, systemTimers } from '@taskmaster/messaging';
import { announceReady, createLogger, frameworkLogger, onShutdown, sayThatItWaits, sayWhyItEnds } from '@taskmaster/service-kit';
import { readConfig } from './config.js';
import { CoordinatorModule } from './coordinator.module.js';
import { createCoordinator } from './create-coordinator.js';

const service = 'agent-coordinator';
sayWhyItEnds(service);
const config = readConfig(process.env);
const logger = createLogger({ service, level: config.LOG_LEVEL });
const connection = await connectBroker({ url: config.NATS_URL, name: service, onWaiting: sayThatItWaits(logger, 'NATS_URL') });
/** Handlers only ask for a start, or answer: the work itself goes on in the background. */
const NOTICES_CONCURRENT_MAX = 256;
const running = await createCoordinator(config, {
  sender: new NatsCommandSender(connection, systemTimers, { groups: ['command'], begin: (notice) => strategy.begin(notice) }),
  asker: new NatsQueryAsker(connection),
  logger,
});
const strategy: NatsStrategy = new NatsStrategy({
  connection,
  maxConcurrent: NOTICES_CONCURRENT_MAX,
  onPoison: running.failPoison,
  onFailure: (what, error) => {
    logger.warn({ what, err: error }, 'handler failed');
  },
});
const app = await NestFactory.createMicroservice(CoordinatorModule.with(running.coordinator, logger, running.draining), {
  strategy,
  logger: frameworkLogger(logger),
});
onShutdown(
  [
    { name: 'attempts', close: running.drain },
    { name: 'app', close: () => app.close() },
    { name: 'place', close: running.release },
  ],
  { logger },
);
await running.begin();
await app.listen();
announceReady({ service }, logger);
